/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For "make coverage", in each object that is measured, behind the kernel's own
 * <linux/compiler_types.h>.
 */

/* What is always inlined would have branches of its own for each caller. */
#undef __always_inline
#define __always_inline inline

/*
 * What gcc calls to count atomically on an i386 that may use neither x87 nor SSE,
 * as in the kernel. The linker takes one of them. eax: where the counter is, ecx
 * and edx: what is added. The sum is not used.
 */
asm(".pushsection .text\n"
    ".weak __atomic_fetch_add_8\n"
    "__atomic_fetch_add_8:\n"
    "	lock addl %edx, (%eax)\n"
    "	lock adcl %ecx, 4(%eax)\n"
    "	ret\n"
    ".popsection\n");
