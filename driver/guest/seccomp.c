// SPDX-License-Identifier: GPL-2.0
/*
 * For the guest of "make bench": sets 300 seccomp filters, each on top of the
 * others, and prints how many interrupts all CPUs took for it. Needs no library
 * but the kernel's nolibc.
 */

#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#define NR_FILTERS	300

static int count_now(void)
{
	char text[32] = "";
	int fd = open("/sys/module/highmem_bench/parameters/ipis", O_RDONLY);
	ssize_t len = read(fd, text, sizeof(text) - 1);

	close(fd);
	return len > 0 ? atoi(text) : -1;
}

int main(void)
{
	struct sock_filter allow = {
		.code = BPF_RET | BPF_K,
		.k = SECCOMP_RET_ALLOW,
	};
	struct sock_fprog filter = { .len = 1, .filter = &allow };
	int before = count_now(), i;

	for (i = 0; i < NR_FILTERS; i++) {
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER,
			  (unsigned long)&filter, 0, 0))
			return 1;
	}
	printf("calls=%d ipis=%d\n", NR_FILTERS, count_now() - before);
	return before < 0;
}
