/* SPDX-License-Identifier: GPL-2.0 */
/*
 * High memory: how to reach the contents of a page that may have no permanent
 * kernel address. See Documentation/mm/highmem.rst for which call to use when.
 *
 * On kernels without CONFIG_HIGHMEM and for low memory pages, everything here
 * comes down to the direct mapping. The rules hold there all the same.
 */
#ifndef _LINUX_HIGHMEM_H
#define _LINUX_HIGHMEM_H

#include <linux/bug.h>
#include <linux/cacheflush.h>
#include <linux/fs.h>
#include <linux/hardirq.h>
#include <linux/kernel.h>
#include <linux/kmsan.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "highmem-internal.h"

/* Mappings of one page -------------------------------------------------- */

/**
 * kmap_local_page() - map a page for a moment, for the caller only
 * @page: the page
 *
 * The address is valid in the calling context until kunmap_local(), but not in other
 * tasks and not in interrupts. The task may sleep and take page faults where it may do
 * so without the mapping. It comes back to the same CPU and the same address.
 *
 * Mappings form a stack: what was mapped last is unmapped first. At least 16
 * may be held at a time by one task and all that interrupts it.
 *
 * Example::
 *
 *	char *dst = kmap_local_page(to);
 *	char *src = kmap_local_page(from);
 *
 *	memcpy(dst, src, PAGE_SIZE);
 *	kunmap_local(src);
 *	kunmap_local(dst);
 *
 * Context: any, NMI on x86 only; does not sleep. A highmem page keeps the task
 * from migrating, but do not build on that: other pages do not.
 * Return: the address of the page's first byte; never NULL.
 */
static inline void *kmap_local_page(const struct page *page);

/**
 * kmap_local_folio() - map one page of a folio for a moment
 * @folio: the folio
 * @offset: a byte in the folio, less than folio_size(), that says which page
 *
 * As kmap_local_page(). Only the page with byte @offset is sure to be mapped:
 * from the returned address on, PAGE_SIZE - offset_in_page(@offset) bytes.
 *
 * Example::
 *
 *	u8 *p = kmap_local_folio(folio, offset_in_folio(folio, pos));
 *
 *	first = *p;
 *	kunmap_local(p);
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: the address of byte @offset.
 */
static inline void *kmap_local_folio(const struct folio *folio, size_t offset);

/**
 * kmap_local_span() - map as much of a folio as there is room for
 * @folio: the folio
 * @offset: first byte wanted
 * @len: how many bytes are wanted, at least 1; @offset + @len <= folio_size().
 *	 Becomes the number that is mapped, at least 1.
 *
 * A folio with a direct mapping is mapped as a whole. Any other folio is mapped in runs
 * of up to KMAP_LOCAL_MAX_PAGES pages, of fewer if the task has many local mappings
 * already, and page by page where caches alias. Unmap with kunmap_local_span(), in the
 * same order as other local mappings. The helpers that copy and clear use this.
 *
 * Example::
 *
 *	while (len && zero) {
 *		size_t n = len;
 *		u8 *p = kmap_local_span(folio, offset, &n);
 *
 *		zero = !memchr_inv(p, 0, n);
 *		kunmap_local_span(p, n);
 *		offset += n;
 *		len -= n;
 *	}
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: the address of byte @offset.
 */
static inline void *kmap_local_span(const struct folio *folio, size_t offset, size_t *len);

/**
 * kunmap_local_span() - unmap what kmap_local_span() mapped
 * @addr: the address that it returned
 * @len: the number of bytes that it mapped
 *
 * The whole run is unmapped. For an example see kmap_local_span().
 *
 * Context: the one that made the mapping; does not sleep.
 */
static inline void kunmap_local_span(const void *addr, size_t len);

/**
 * folio_map_local() - map a whole folio
 * @folio: the folio, of any size
 *
 * Maps all bytes of the folio at neighbouring addresses: in the direct mapping if the
 * folio has one, in slots of the kmap_local stack if the folio is small, and else in
 * vmalloc space, which costs some microseconds and memory for page tables. Code that can
 * work in pieces calls kmap_local_span() instead.
 *
 * The mapping belongs to the task that made it, which may sleep. Unmap in the reverse
 * order of all local mappings.
 *
 * Example::
 *
 *	struct header *h = folio_map_local(folio);
 *
 *	if (!h)
 *		return -ENOMEM;
 *	err = parse(h, folio_size(folio));
 *	folio_unmap_local(folio, h);
 *
 * Context: task context; may sleep. might_sleep() checks that on 64-bit kernels as well.
 * Allocates with GFP_KERNEL: a caller with locks that reclaim takes calls
 * memalloc_nofs_save() before.
 * Return: the address of the folio's first byte, or NULL if there is no memory for the
 * mapping. A folio of one page needs none.
 */
static inline void *folio_map_local(struct folio *folio);

/**
 * folio_unmap_local() - unmap what folio_map_local() mapped
 * @folio: the folio
 * @addr: the address that it returned
 *
 * For an example see folio_map_local().
 *
 * Context: the task that made the mapping. May sleep.
 */
static inline void folio_unmap_local(struct folio *folio, const void *addr);
/* Defined so that code for older kernels, too, can test for it. */
#define folio_map_local folio_map_local

/**
 * kmap_local_page_prot() - kmap_local_page() with a protection of choice
 * @page: the page
 * @prot: page protection. Has no effect where @page is not mapped but found
 *	  in the direct mapping.
 *
 * Unmap with kunmap_local(), in the reverse order of all local mappings.
 *
 * Example::
 *
 *	const u32 *word = kmap_local_page_prot(page, PAGE_KERNEL_RO);
 *
 *	value = *word;
 *	kunmap_local(word);
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: the address of the page's first byte.
 */
static inline void *kmap_local_page_prot(const struct page *page, pgprot_t prot);

/**
 * kmap_local_pfn() - map a page frame for a moment
 * @pfn: page frame number of memory; a kernel with CONFIG_HIGHMEM does not
 *	 ask for a struct page
 *
 * Unmap with kunmap_local(), in the reverse order of all local mappings.
 *
 * Example::
 *
 *	char *frame = kmap_local_pfn(pfn);
 *
 *	memcpy(buf, frame, len);
 *	kunmap_local(frame);
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: the address of the frame's first byte.
 */
static inline void *kmap_local_pfn(unsigned long pfn);

/**
 * kmap() - map a page for as long as needed, on all CPUs
 * @page: the page
 *
 * The address is valid on every CPU and in every context until kunmap() is
 * called once for each kmap(). Mapping a page again while it is mapped gives
 * the same address. The space is small and shared by the whole system (4 MB
 * on i386, 2 MB with PAE, and when that is full up to an eighth of vmalloc space, 16 MB
 * at most): code that needs the page in one place only calls kmap_local_page().
 *
 * Example::
 *
 *	later->page = page;
 *	later->addr = kmap(page);
 *	schedule_work(&later->work);
 *
 * Context: task context. May sleep, in the worst case until others release
 * their mappings, so do not hold many at a time.
 * Return: the address of the page's first byte; never NULL.
 */
static inline void *kmap(struct page *page);

/**
 * kunmap() - give back a mapping made by kmap()
 * @page: the page that was mapped, not its address
 *
 * Once too often, or for a page that was never mapped, is reported once and
 * changes nothing. For a page in low memory there is nothing to do.
 *
 * Example::
 *
 *	memset(later->addr, 0x41, PAGE_SIZE);
 *	kunmap(later->page);
 *
 * Context: task context. May sleep.
 */
static inline void kunmap(const struct page *page);

/**
 * kmap_flush_unused() - remove all idle mappings
 *
 * kunmap() leaves a page mapped until its place is wanted. Code that changes
 * what the hardware or a hypervisor thinks of a page (caching attributes,
 * ownership) calls this first. When the function returns, no mapping that stayed idle is
 * left in the page tables of an online CPU. The TLBs of all CPUs are free of the pool's
 * idle mappings, and the TLB of each CPU of that CPU's idle local mappings. (Another CPU's
 * TLB may hold an entry of a local mapping that a speculative walk has loaded: that CPU
 * never uses the address.)
 *
 * Example::
 *
 *	kmap_flush_unused();
 *	change(page);
 *
 * Context: task context. May sleep.
 */
static inline void kmap_flush_unused(void);

/**
 * kmap_to_page() - the page behind an address
 * @addr: an address in the direct mapping, or one from kmap() or from a
 *	  kmap_local function of the calling task
 *
 * Deprecated for mapped addresses, which are reported once: keep the page.
 *
 * Example::
 *
 *	page = kmap_to_page(buf);
 *
 * Context: any.
 * Return: the page that @addr shows; NULL if that is in a kmap_local slot which this
 * task has not mapped.
 */
static inline struct page *kmap_to_page(void *addr);

/**
 * kmap_atomic() - map a page with page faults disabled - deprecated
 * @page: the page
 *
 * kmap_local_page() plus pagefault_disable() plus, except on PREEMPT_RT,
 * preempt_disable(). kunmap_atomic() undoes all of them. New code calls
 * kmap_local_page(), and each of the other functions where it needs them.
 *
 * Example::
 *
 *	char *addr = kmap_atomic(page);
 *
 *	memcpy(addr, buf, len);
 *	kunmap_atomic(addr);
 *
 * Context: any, NMI on x86 only; atomic until kunmap_atomic().
 * Return: the address of the page's first byte.
 */
static inline void *kmap_atomic(const struct page *page);

/**
 * kmap_atomic_prot() - kmap_atomic() with a protection of choice - deprecated
 * @page: the page
 * @prot: page protection, as for kmap_local_page_prot()
 *
 * Example::
 *
 *	const u32 *word = kmap_atomic_prot(page, PAGE_KERNEL_RO);
 *
 *	value = *word;
 *	kunmap_atomic(word);
 *
 * Context: any, NMI on x86 only; atomic until kunmap_atomic().
 * Return: the address of the page's first byte.
 */
static inline void *kmap_atomic_prot(const struct page *page, pgprot_t prot);

/**
 * kmap_atomic_pfn() - kmap_atomic() of a page frame - deprecated
 * @pfn: page frame number, as for kmap_local_pfn()
 *
 * Example::
 *
 *	char *frame = kmap_atomic_pfn(pfn);
 *
 *	memcpy(buf, frame, len);
 *	kunmap_atomic(frame);
 *
 * Context: any, NMI on x86 only; atomic until kunmap_atomic().
 * Return: the address of the frame's first byte.
 */
static inline void *kmap_atomic_pfn(unsigned long pfn);

/**
 * nr_free_highpages() - how many high memory pages are free
 *
 * Example::
 *
 *	if (nr_free_highpages() < wanted)
 *		return -ENOMEM;
 *
 * Context: any. A snapshot.
 * Return: pages.
 */
static inline unsigned long nr_free_highpages(void);

/**
 * totalhigh_pages() - how many high memory pages the page allocator manages
 *
 * Example::
 *
 *	low = totalram_pages() - totalhigh_pages();
 *
 * Context: any.
 * Return: pages; 0 without high memory.
 */
static inline unsigned long totalhigh_pages(void);

/* Cache hooks that an architecture may leave out ------------------------- */

#ifndef ARCH_HAS_FLUSH_ANON_PAGE
/**
 * flush_anon_page() - write back what user space's view left in the cache
 * @vma: the VMA of @vmaddr
 * @page: an anonymous page
 * @vmaddr: where user space sees it
 *
 * For caches that alias. get_user_pages() calls it for each page before the
 * kernel looks at it; others have no need to. See
 * Documentation/core-api/cachetlb.rst.
 *
 * Context: task context; does not sleep.
 */
static inline void flush_anon_page(struct vm_area_struct *vma,
				   struct page *page, unsigned long vmaddr) { }
#endif

#ifndef ARCH_IMPLEMENTS_FLUSH_KERNEL_VMAP_RANGE
/**
 * flush_kernel_vmap_range() - before I/O to pages that vmap() has mapped
 * @vaddr: address from vmap() or vm_map_ram()
 * @size: bytes
 *
 * For caches that alias: writes back what the kernel wrote at @vaddr, so that a
 * device, or another mapping of the pages, finds it. Here memset_page() stands
 * for a device that fills the first page behind @vaddr.
 *
 * Example::
 *
 *	flush_kernel_vmap_range(buf, len);
 *	memset_page(page, 0, 0x44, len);
 *	invalidate_kernel_vmap_range(buf, len);
 *
 * Context: any; does not sleep.
 */
static inline void flush_kernel_vmap_range(void *vaddr, int size) { }

/**
 * invalidate_kernel_vmap_range() - after input to pages that vmap() has mapped
 * @vaddr: address from vmap() or vm_map_ram()
 * @size: bytes
 *
 * For caches that alias: forgets what was read at @vaddr, perhaps ahead of time,
 * before the device wrote. For an example see flush_kernel_vmap_range().
 *
 * Context: any; does not sleep.
 */
static inline void invalidate_kernel_vmap_range(void *vaddr, int size) { }
#endif

/* Helpers: what bounds them ----------------------------------------------- */

/*
 * A range that does not fit is a bug of the caller. Kernels with DEBUG_VM report it and
 * touch no page, rather than write over what comes behind. They zero @to, the buffer of a
 * read, because the caller goes on to use the buffer. A length of more than INT_MAX is one
 * that was counted down below 0: no buffer is so long.
 */
static inline bool highmem_bad_range(size_t offset, size_t len, size_t size, void *to)
{
	bool bad = IS_ENABLED(CONFIG_DEBUG_VM) &&
		   WARN_ON_ONCE(offset > size || len > size - offset);

	if (bad && to && len <= INT_MAX)
		memset(to, 0, len);
	return bad;
}

/* For what can be checked in passing: never go beyond the (compound) page. */
static inline size_t highmem_clamp_end(struct page *page, size_t end)
{
	size_t size = page_size(page);

	return WARN_ON_ONCE(end > size) ? size : end;
}

/* Helpers: clear and copy whole pages -------------------------------------- */

#ifndef clear_user_highpage
/**
 * clear_user_highpage() - zero a page that user space will see
 * @page: the page
 * @vaddr: where user space will see it; decides the cache colour
 *
 * Example::
 *
 *	clear_user_highpage(page, vaddr);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void clear_user_highpage(struct page *page, unsigned long vaddr)
{
	void *kaddr = kmap_local_page(page);

	clear_user_page(kaddr, vaddr, page);
	kunmap_local(kaddr);
}
#endif

#ifndef vma_alloc_zeroed_movable_folio
/**
 * vma_alloc_zeroed_movable_folio() - a zeroed page for an address of a VMA
 * @vma: the VMA
 * @vaddr: user address inside @vma at which the page will be mapped
 *
 * From high or movable memory, as the VMA's policy says. Architectures that
 * can zero while they allocate have their own.
 *
 * Example::
 *
 *	folio = vma_alloc_zeroed_movable_folio(vma, vaddr);
 *	if (!folio)
 *		return VM_FAULT_OOM;
 *
 * Context: task context; sleeps.
 * Return: a folio of order 0, or NULL if there is no memory.
 */
static inline struct folio *
vma_alloc_zeroed_movable_folio(struct vm_area_struct *vma, unsigned long vaddr)
{
	struct folio *folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, 0, vma, vaddr);

	if (folio && user_alloc_needs_zeroing())
		clear_user_highpage(folio_page(folio, 0), vaddr);
	return folio;
}
#endif

/**
 * clear_highpage_kasan_tagged() - zero a page whose memory tag may differ
 * @page: the page; KASAN does not compare its tag with that of the address
 *
 * Example::
 *
 *	clear_highpage_kasan_tagged(page);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void clear_highpage_kasan_tagged(struct page *page)
{
	void *tagged = kmap_local_page(page);

	clear_page(kasan_reset_tag(tagged));
	kunmap_local(tagged);
}

/**
 * clear_highpage() - zero a page
 * @page: the page
 *
 * Example::
 *
 *	clear_highpage(page);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void clear_highpage(struct page *page)
{
	void *dst = kmap_local_page(page);

	clear_page(dst);
	kunmap_local(dst);
}

#ifndef __HAVE_ARCH_COPY_USER_HIGHPAGE
/**
 * copy_user_highpage() - copy a page that user space sees
 * @to: destination page
 * @from: source page
 * @vaddr: where user space will see @to; decides the cache colour
 * @vma: the VMA of @vaddr
 *
 * Example::
 *
 *	copy_user_highpage(new, old, vaddr, vma);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void copy_user_highpage(struct page *to, struct page *from,
				      unsigned long vaddr,
				      struct vm_area_struct *vma)
{
	void *src = kmap_local_page(from);
	void *dst = kmap_local_page(to);

	copy_user_page(dst, src, vaddr, to);
	kmsan_unpoison_memory(lowmem_page_address(to), PAGE_SIZE);
	kunmap_local(dst);
	kunmap_local(src);
}
#endif

#ifndef __HAVE_ARCH_COPY_HIGHPAGE
/**
 * copy_highpage() - copy a page
 * @to: destination page
 * @from: source page
 *
 * Example::
 *
 *	copy_highpage(new, old);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void copy_highpage(struct page *to, struct page *from)
{
	void *src = kmap_local_page(from);
	void *dst = kmap_local_page(to);

	copy_page(dst, src);
	kmsan_copy_page_meta(to, from);
	kunmap_local(dst);
	kunmap_local(src);
}
#endif

#ifdef copy_mc_to_kernel
/*
 * Copies a page whose memory may be broken. Returns the bytes that were not
 * copied; the bad frame is then queued for memory-failure handling.
 */
static inline int copy_mc_page_local(struct page *to, struct page *from)
{
	void *src = kmap_local_page(from);
	void *dst = kmap_local_page(to);
	unsigned long left = copy_mc_to_kernel(dst, src, PAGE_SIZE);

	kunmap_local(dst);
	kunmap_local(src);
	if (left)
		memory_failure_queue(page_to_pfn(from), 0);
	return left;
}
#endif

/**
 * copy_mc_user_highpage() - copy_user_highpage() that survives bad memory
 * @to: destination page
 * @from: source page; a machine check while reading it is handled, where the
 *	  architecture can
 * @vaddr: where user space will see @to
 * @vma: the VMA of @vaddr
 *
 * Example::
 *
 *	if (copy_mc_user_highpage(new, old, vaddr, vma))
 *		return VM_FAULT_HWPOISON;
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: 0, or the number of bytes that were not copied.
 */
static inline int copy_mc_user_highpage(struct page *to, struct page *from,
					unsigned long vaddr,
					struct vm_area_struct *vma)
{
#ifdef copy_mc_to_kernel
	int left = copy_mc_page_local(to, from);

	if (!left)
		kmsan_unpoison_memory(lowmem_page_address(to), PAGE_SIZE);
	return left;
#else
	copy_user_highpage(to, from, vaddr, vma);
	return 0;
#endif
}

/**
 * copy_mc_highpage() - copy_highpage() that survives bad memory
 * @to: destination page
 * @from: source page; a machine check while reading it is handled, where the
 *	  architecture can
 *
 * Example::
 *
 *	if (copy_mc_highpage(new, old))
 *		return -EHWPOISON;
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: 0, or the number of bytes that were not copied.
 */
static inline int copy_mc_highpage(struct page *to, struct page *from)
{
#ifdef copy_mc_to_kernel
	int left = copy_mc_page_local(to, from);

	if (!left)
		kmsan_copy_page_meta(to, from);
	return left;
#else
	copy_highpage(to, from);
	return 0;
#endif
}

/* Helpers: parts of one page ----------------------------------------------- */

/**
 * memcpy_page() - copy bytes from one page to another
 * @dst_page: destination page
 * @dst_off: first byte to write; @dst_off + @len <= PAGE_SIZE
 * @src_page: source page
 * @src_off: first byte to read; @src_off + @len <= PAGE_SIZE
 * @len: bytes
 *
 * Example::
 *
 *	memcpy_page(to, 512, from, 0, 512);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void memcpy_page(struct page *dst_page, size_t dst_off,
			       struct page *src_page, size_t src_off,
			       size_t len)
{
	char *src, *dst;

	if (highmem_bad_range(dst_off, len, PAGE_SIZE, NULL) ||
	    highmem_bad_range(src_off, len, PAGE_SIZE, NULL))
		return;

	src = kmap_local_page(src_page);
	dst = kmap_local_page(dst_page);
	memcpy(dst + dst_off, src + src_off, len);
	kunmap_local(dst);
	kunmap_local(src);
}

/**
 * memset_page() - set bytes of a page
 * @page: the page
 * @offset: first byte; @offset + @len <= PAGE_SIZE
 * @val: value of each byte
 * @len: bytes
 *
 * Leaves the data cache to the caller: see flush_dcache_page().
 *
 * Example::
 *
 *	memset_page(page, 0, byte, PAGE_SIZE);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void memset_page(struct page *page, size_t offset, int val,
			       size_t len)
{
	char *kaddr;

	if (highmem_bad_range(offset, len, PAGE_SIZE, NULL))
		return;

	kaddr = kmap_local_page(page);
	memset(kaddr + offset, val, len);
	kunmap_local(kaddr);
}

/**
 * memcpy_from_page() - read bytes of a page
 * @to: buffer of @len bytes
 * @page: the page
 * @offset: first byte to read; @offset + @len <= PAGE_SIZE
 * @len: bytes
 *
 * Example::
 *
 *	memcpy_from_page(buf, page, 100, len);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void memcpy_from_page(char *to, struct page *page,
				    size_t offset, size_t len)
{
	const char *kaddr;

	if (highmem_bad_range(offset, len, PAGE_SIZE, to))
		return;

	kaddr = kmap_local_page(page);
	memcpy(to, kaddr + offset, len);
	kunmap_local(kaddr);
}

/**
 * memcpy_to_page() - write bytes of a page
 * @page: the page
 * @offset: first byte to write; @offset + @len <= PAGE_SIZE
 * @from: buffer of @len bytes
 * @len: bytes
 *
 * Example::
 *
 *	memcpy_to_page(page, 100, buf, len);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void memcpy_to_page(struct page *page, size_t offset,
				  const char *from, size_t len)
{
	char *kaddr;

	if (highmem_bad_range(offset, len, PAGE_SIZE, NULL))
		return;

	kaddr = kmap_local_page(page);
	memcpy(kaddr + offset, from, len);
	flush_dcache_page(page);
	kunmap_local(kaddr);
}

/**
 * memzero_page() - zero bytes of a page
 * @page: the page
 * @offset: first byte; @offset + @len <= PAGE_SIZE
 * @len: bytes
 *
 * Example::
 *
 *	memzero_page(page, 2048, 512);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void memzero_page(struct page *page, size_t offset, size_t len)
{
	memset_page(page, offset, 0, len);
	flush_dcache_page(page);
}

/* Helpers: parts of a folio or compound page ------------------------------- */

/**
 * zero_user_segments() - zero two ranges of a (compound) page
 * @page: a page, or the head of a compound page for ranges beyond its first
 * @start1: first byte of the first range
 * @end1: byte behind the first range; nothing is done if not above @start1
 * @start2: first byte of the second range
 * @end2: byte behind the second range; nothing is done if not above @start2
 *
 * A range that goes beyond page_size() is reported once and cut.
 *
 * Example::
 *
 *	zero_user_segments(page, start, from, to, end);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
#if KMAP_LOCAL_MAPS_PAGES
void zero_user_segments(struct page *page,
			unsigned int start1, unsigned int end1,
			unsigned int start2, unsigned int end2);
#else
static inline void zero_user_segments(struct page *page,
				      unsigned int start1, unsigned int end1,
				      unsigned int start2, unsigned int end2)
{
	size_t stop1 = highmem_clamp_end(page, end1);
	size_t stop2 = highmem_clamp_end(page, end2);
	void *kaddr = kmap_local_page(page);
	unsigned int i;

	if (start1 < stop1)
		memset(kaddr + start1, 0, stop1 - start1);
	if (start2 < stop2)
		memset(kaddr + start2, 0, stop2 - start2);
	kunmap_local(kaddr);

	for (i = 0; i < compound_nr(page); i++)
		flush_dcache_page(page + i);
}
#endif

/**
 * zero_user_segment() - zero a range of a (compound) page
 * @page: as for zero_user_segments()
 * @start: first byte
 * @end: byte behind the last
 *
 * Example::
 *
 *	zero_user_segment(page, 1024, 1536);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void zero_user_segment(struct page *page, unsigned int start,
				     unsigned int end)
{
	zero_user_segments(page, start, end, 0, 0);
}

/**
 * folio_zero_segments() - zero two ranges of a folio
 * @folio: the folio
 * @start1: first byte of the first range
 * @xend1: byte behind the first range
 * @start2: first byte of the second range
 * @xend2: byte behind the second range
 *
 * Example::
 *
 *	folio_zero_segments(folio, 0, from, to, folio_size(folio));
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void folio_zero_segments(struct folio *folio, size_t start1,
				       size_t xend1, size_t start2,
				       size_t xend2)
{
	zero_user_segments(&folio->page, start1, xend1, start2, xend2);
}

/**
 * folio_zero_segment() - zero a range of a folio
 * @folio: the folio
 * @start: first byte
 * @xend: byte behind the last
 *
 * Example::
 *
 *	folio_zero_segment(folio, eof, folio_size(folio));
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void folio_zero_segment(struct folio *folio, size_t start,
				      size_t xend)
{
	folio_zero_segments(folio, start, xend, 0, 0);
}

/**
 * folio_zero_range() - zero some bytes of a folio
 * @folio: the folio
 * @start: first byte
 * @length: bytes
 *
 * Example::
 *
 *	folio_zero_range(folio, 0, 512);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void folio_zero_range(struct folio *folio, size_t start,
				    size_t length)
{
	folio_zero_segment(folio, start, start + length);
}

/* Copies @len bytes from @buf to @folio or back, as many at a time as a mapping reaches. */
static __always_inline void folio_copy_buf(struct folio *folio, size_t offset,
					   char *buf, size_t len, bool to_folio)
{
	while (len) {
		size_t reach = len;
		char *kaddr = kmap_local_span(folio, offset, &reach);

		memcpy(to_folio ? kaddr : buf, to_folio ? buf : kaddr, reach);
		kunmap_local_span(kaddr, reach);

		buf += reach;
		len -= reach;
		offset += reach;
	}
}

/**
 * memcpy_from_folio() - read bytes of a folio
 * @to: buffer of @len bytes
 * @folio: the folio
 * @offset: first byte to read; @offset + @len <= folio_size()
 * @len: bytes; may be 0
 *
 * Example::
 *
 *	memcpy_from_folio((char *)&record, folio, offset, sizeof(record));
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void memcpy_from_folio(char *to, struct folio *folio,
				     size_t offset, size_t len)
{
	if (!highmem_bad_range(offset, len, folio_size(folio), to))
		folio_copy_buf(folio, offset, to, len, false);
}

/**
 * memcpy_to_folio() - write bytes of a folio
 * @folio: the folio
 * @offset: first byte to write; @offset + @len <= folio_size()
 * @from: buffer of @len bytes
 * @len: bytes; may be 0
 *
 * Example::
 *
 *	memcpy_to_folio(folio, offset, (char *)&record, sizeof(record));
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void memcpy_to_folio(struct folio *folio, size_t offset,
				   const char *from, size_t len)
{
	if (highmem_bad_range(offset, len, folio_size(folio), NULL))
		return;

	folio_copy_buf(folio, offset, (char *)from, len, true);
	flush_dcache_folio(folio);
}

/**
 * folio_zero_tail() - zero a folio from a byte to its end, while it is mapped
 * @folio: the folio
 * @offset: first byte to zero; <= folio_size()
 * @kaddr: address of byte @offset. The page with this byte (at the end of the
 *	   folio: the last page) is the caller's latest local mapping. So @offset
 *	   is in the mapped page, or the folio ends with that page.
 *
 * For code that has a page mapped which it has just filled in part. Where the
 * folio has none mapped, folio_zero_segment() does. The mapping may be another
 * one afterwards.
 *
 * Example::
 *
 *	char *kaddr = kmap_local_folio(folio, 0);
 *
 *	memcpy(kaddr, data, len);
 *	kaddr = folio_zero_tail(folio, len, kaddr + len);
 *	kunmap_local(kaddr);
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: what to pass to kunmap_local() instead of @kaddr: an address in the
 * mapping, @kaddr - 1 if there was no byte to zero.
 */
static inline __must_check void *folio_zero_tail(struct folio *folio,
						 size_t offset, void *kaddr)
{
	size_t len = folio_size(folio) - offset;
	size_t reach = len;

	if (page_needs_kmap_local(&folio->page))
		reach = min_t(size_t, len, PAGE_SIZE - offset_in_page(offset));
	memset(kaddr, 0, reach);
	if (reach < len) {
		kunmap_local(kaddr);
		folio_zero_segment(folio, offset + reach, offset + len);
		kaddr = kmap_local_folio(folio, offset + reach);
	}
	/* With no byte to zero there are those that the caller has written. */
	flush_dcache_folio(folio);

	/* An address behind the last page is not inside the mapping. */
	return len ? kaddr : kaddr - 1;
}

/**
 * folio_fill_tail() - copy data into a folio and zero what follows
 * @folio: the folio
 * @offset: first byte to write; @offset + @len <= folio_size()
 * @from: buffer of @len bytes
 * @len: bytes; may be 0
 *
 * Puts data that a file system keeps inside an inode into the page cache. The
 * bytes from @offset + @len to the end of the folio become zero.
 *
 * Example::
 *
 *	folio_fill_tail(folio, 0, data, len);
 *
 * Context: any, NMI on x86 only; does not sleep.
 */
static inline void folio_fill_tail(struct folio *folio, size_t offset,
				   const char *from, size_t len)
{
	if (highmem_bad_range(offset, len, folio_size(folio), NULL))
		return;

	memcpy_to_folio(folio, offset, from, len);
	folio_zero_segment(folio, offset + len, folio_size(folio));
}

/**
 * memcpy_from_file_folio() - read some bytes of a file from a folio
 * @to: buffer of @len bytes
 * @folio: the folio, which holds the file's byte @pos
 * @pos: position in the file, bytes
 * @len: bytes wanted
 *
 * Copies at most to the end of the folio. The rest is in the next folio of the file.
 *
 * Example::
 *
 *	while (len) {
 *		size_t n = memcpy_from_file_folio(to, folio, pos, len);
 *
 *		to += n;
 *		pos += n;
 *		len -= n;
 *	}
 *
 * Context: any, NMI on x86 only; does not sleep.
 * Return: bytes copied; not 0 unless @len is.
 */
static inline size_t memcpy_from_file_folio(char *to, struct folio *folio,
					    loff_t pos, size_t len)
{
	size_t offset = offset_in_folio(folio, pos);

	len = min(len, folio_size(folio) - offset);
	memcpy_from_folio(to, folio, offset, len);
	return len;
}

/**
 * folio_release_kmap() - unmap a folio and drop a reference to it
 * @folio: the folio
 * @addr: an address in the caller's latest local mapping, a page of @folio
 *
 * Example::
 *
 *	u8 *entry = kmap_local_folio(folio, offset);
 *	bool is = *entry == byte;
 *
 *	folio_release_kmap(folio, entry);
 *
 * Context: any in which a folio may be freed.
 */
static inline void folio_release_kmap(struct folio *folio, void *addr)
{
	kunmap_local(addr);
	folio_put(folio);
}

#endif /* _LINUX_HIGHMEM_H */
