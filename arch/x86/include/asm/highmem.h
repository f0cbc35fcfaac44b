/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What x86 supplies to high memory. <linux/highmem-internal.h> has the contract, and
 * includes this file if CONFIG_KMAP_LOCAL is set. 32-bit kernels without HIGHMEM need the
 * TLB hooks, too: they map device memory locally. 64-bit kernels have local mappings for
 * debugging.
 *
 * A 32-bit kernel's address space, from its end downwards: fixmap (with the
 * kmap_local slots), CPU entry areas, LDT, pkmap pool (with HIGHMEM only),
 * vmalloc, direct mapping of low memory.
 */
#ifndef _ASM_X86_HIGHMEM_H
#define _ASM_X86_HIGHMEM_H

#include <linux/interrupt.h>
#include <linux/threads.h>
#include <linux/vmstat.h>
#include <asm/fixmap.h>
#include <asm/paravirt.h>
#include <asm/pgtable_areas.h>
#include <asm/tlbflush.h>

#ifdef CONFIG_HIGHMEM
/* LAST_PKMAP and PKMAP_BASE: one page table, see <asm/pgtable_32_areas.h>. */
#define LAST_PKMAP_MASK		(LAST_PKMAP - 1)
#define PKMAP_ADDR(nr)		(PKMAP_BASE + ((nr) << PAGE_SHIFT))
#define PKMAP_NR(virt)		(((virt) - PKMAP_BASE) >> PAGE_SHIFT)

/* Caches are physically tagged. */
#define flush_cache_kmaps()	do { } while (0)

/* Reclaim clears more pages than x86 flushes one by one. */
#define pkmap_flush_tlb_all()	flush_tlb_all()
#endif

#ifdef CONFIG_X86_32
extern unsigned long highstart_pfn, highend_pfn;

/*
 * kunmap_local() leaves the PTE until the slot maps another page. Without high memory it
 * does not: local mappings are of device memory.
 */
#ifdef CONFIG_HIGHMEM
#define ARCH_KMAP_LOCAL_LAZY
#define arch_kmap_local_flush_tlb()	__flush_tlb_all()
#endif

/*
 * An interrupt may read a saved PTE while it is written. The half of a PAE entry that
 * has the present bit is written last and cleared first.
 */
#define arch_kmap_local_save_pte(saved, pteval)	native_set_pte(saved, pteval)
#define arch_kmap_local_clear_saved(saved)	native_pte_clear(&init_mm, 0, saved)
#define arch_kmap_local_page_pte(pfn, template) \
	__pte(pte_val(template) | (pteval_t)(pfn) << PAGE_SHIFT)
#endif

#ifdef CONFIG_X86_PAE
/*
 * set_pte_at() and pte_clear() write one half of a PTE after the other. An NMI, an
 * interrupt that runs flush_this_cpu(), or a page walk could come in between, and see half
 * of one PTE and half of another.
 */
#define arch_kmap_local_set_pte(mm, vaddr, ptep, pteval) \
	((void)(mm), (void)(vaddr), set_pte_atomic(ptep, pteval))
#define arch_kmap_local_clear_pte(mm, vaddr, ptep) \
	((void)(mm), (void)(vaddr), set_pte_atomic(ptep, __pte(0)))
#endif

#define arch_kmap_local_post_map arch_kmap_local_post_map
#define arch_kmap_local_post_unmap arch_kmap_local_post_unmap

/*
 * A PTE that becomes valid needs no flush. A hypervisor may still queue it in lazy MMU
 * mode. The queue must be empty before the first access.
 */
static inline void arch_kmap_local_post_map(unsigned long vaddr, pte_t pteval)
{
	arch_flush_lazy_mmu_mode();
}

#ifndef MODULE
/*
 * PTEs are global, so a switch of the address space does not flush them.
 * flush_tlb_one_kernel() does more than the one instruction for other PCIDs, which 32-bit
 * kernels do not use, and for hypervisors. Modules do not see that function, and unmap no
 * slots.
 */
static inline void arch_kmap_local_post_unmap(unsigned long vaddr)
{
	if (IS_ENABLED(CONFIG_X86_32) && !IS_ENABLED(CONFIG_PARAVIRT)) {
		count_vm_tlb_event(NR_TLB_LOCAL_FLUSH_ONE);
		asm volatile("invlpg (%0)" : : "r" (vaddr) : "memory");
		return;
	}
	flush_tlb_one_kernel(vaddr);
	arch_flush_lazy_mmu_mode();
}
#endif

#endif /* _ASM_X86_HIGHMEM_H */
