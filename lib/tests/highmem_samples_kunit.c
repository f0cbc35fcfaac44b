// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_samples": the code in Documentation/mm/highmem*.rst and in the
 * examples of <linux/highmem.h>, compiled and run.
 *
 * The manual includes the lines between a name in brackets and the next [end]. The lines
 * of each example in kernel-doc are in this file, too: "make docs" compares them. A
 * function whose name ends in _wrong shows a mistake.
 */

#include <linux/irq_work.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "highmem_kunit_whitebox.h"

#ifdef folio_map_local

#define NO_USER		0x100000UL	/* a user address that nothing is mapped at */

static struct vm_area_struct plain_vma;

static void fill_page(struct page *page, u8 byte)
{
	memset_page(page, 0, byte, PAGE_SIZE);
}

static bool page_is(struct page *page, size_t offset, u8 byte, size_t len)
{
	u8 *p = kmap_local_page(page);
	bool is = !memchr_inv(p + offset, byte, len);

	kunmap_local(p);
	return is;
}

static bool folio_is(struct folio *folio, size_t offset, u8 byte, size_t len)
{
	bool is = true;

	while (len) {
		size_t n = len;
		u8 *p = kmap_local_span(folio, offset, &n);

		is &= !memchr_inv(p, byte, n);
		kunmap_local_span(p, n);
		offset += n;
		len -= n;
	}
	return is;
}

static void fill_folio(struct folio *folio, u8 byte)
{
	unsigned int i;

	for (i = 0; i < folio_nr_pages(folio); i++)
		fill_page(folio_page(folio, i), byte);
}

/* ------------------------------------------------------------- one page, local */

/* [copy_by_hand] */
static void copy_by_hand(struct page *to, struct page *from)
{
	char *dst = kmap_local_page(to);
	char *src = kmap_local_page(from);

	memcpy(dst, src, PAGE_SIZE);
	kunmap_local(src);
	kunmap_local(dst);
}

/* [end] */

static u8 byte_of_file(struct folio *folio, loff_t pos)
{
	u8 first;
	u8 *p = kmap_local_folio(folio, offset_in_folio(folio, pos));

	first = *p;
	kunmap_local(p);
	return first;
}

static void local_mappings(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 2);
	struct folio *folio = hmk_get_folio(test, true, 1);

	fill_page(set->page[0], 0);
	fill_page(set->page[1], 0x11);
	copy_by_hand(set->page[0], set->page[1]);
	KUNIT_EXPECT_TRUE(test, page_is(set->page[0], 0, 0x11, PAGE_SIZE));

	fill_folio(folio, 0x12);
	memset_page(folio_page(folio, 1), 5, 0x13, 1);
	KUNIT_EXPECT_EQ(test, byte_of_file(folio, PAGE_SIZE + 4), 0x12);
	KUNIT_EXPECT_EQ(test, byte_of_file(folio, PAGE_SIZE + 5), 0x13);
}

static u32 word_read_only(struct page *page)
{
	u32 value;
	const u32 *word = kmap_local_page_prot(page, PAGE_KERNEL_RO);

	value = *word;
	kunmap_local(word);
	return value;
}

static void bytes_of_frame(char *buf, unsigned long pfn, size_t len)
{
	char *frame = kmap_local_pfn(pfn);

	memcpy(buf, frame, len);
	kunmap_local(frame);
}

static void other_local_mappings(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	char buf[16];

	fill_page(page, 0x21);
	KUNIT_EXPECT_EQ(test, word_read_only(page), 0x21212121);
	bytes_of_frame(buf, page_to_pfn(page), sizeof(buf));
	KUNIT_EXPECT_NULL(test, memchr_inv(buf, 0x21, sizeof(buf)));
}

/* [sleep_while_mapped] */
static size_t copy_out(void __user *to, struct page *page, size_t len)
{
	void *addr = kmap_local_page(page);
	size_t left;

	/* May sleep. The address stays the same. */
	left = copy_to_user(to, addr, len);
	kunmap_local(addr);
	return left;
}

/* [end] */

static void __user *user_memory(struct kunit *test)
{
	unsigned long addr = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
					   MAP_ANONYMOUS | MAP_PRIVATE, 0);

	KUNIT_ASSERT_LT_MSG(test, addr, TASK_SIZE, "no memory for user space");
	return (void __user *)addr;
}

static void expect_user_bytes(struct kunit *test, void __user *from, u8 byte)
{
	char buf[64];

	KUNIT_EXPECT_EQ(test, copy_from_user(buf, from, sizeof(buf)), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(buf, byte, sizeof(buf)));
}

static void sleep_while_mapped(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	void __user *to = user_memory(test);

	fill_page(page, 0x22);
	KUNIT_EXPECT_EQ(test, copy_out(to, page, 64), 0);
	expect_user_bytes(test, to, 0x22);
}

/* [map_in_interrupt] */
struct checker {
	struct irq_work work;
	struct page *page;
	bool zero;
};

/* In an interrupt. The interrupted context may have pages mapped. */
static void check_in_interrupt(struct irq_work *work)
{
	struct checker *checker = container_of(work, struct checker, work);
	void *addr = kmap_local_page(checker->page);

	checker->zero = !memchr_inv(addr, 0, PAGE_SIZE);
	kunmap_local(addr);
}

/* [end] */

static void map_in_interrupt(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 2);
	struct checker checker = { .page = set->page[1] };
	bool kept;
	u8 *addr;

	fill_page(set->page[0], 0x23);
	fill_page(set->page[1], 0);
	checker.work = IRQ_WORK_INIT_HARD(check_in_interrupt);
	addr = kmap_local_page(set->page[0]);
	irq_work_queue(&checker.work);
	irq_work_sync(&checker.work);
	kept = !memchr_inv(addr, 0x23, PAGE_SIZE);
	kunmap_local(addr);
	KUNIT_EXPECT_TRUE(test, checker.zero);
	KUNIT_EXPECT_TRUE(test, kept);
}

/* -------------------------------------------------------------- parts of folios */

/* [read_record] */
struct record {
	__le32 id;
	__le32 len;
	char name[56];
};

/* A record may begin in one page of the folio and end in the next. */
static void read_record(struct record *record, struct folio *folio, size_t offset)
{
	memcpy_from_folio((char *)record, folio, offset, sizeof(*record));
}

/* [end] */

/* [is_zero] */
static bool is_zero(struct folio *folio, size_t offset, size_t len)
{
	bool zero = true;

	while (len && zero) {
		size_t n = len;
		u8 *p = kmap_local_span(folio, offset, &n);

		zero = !memchr_inv(p, 0, n);
		kunmap_local_span(p, n);
		offset += n;
		len -= n;
	}
	return zero;
}

/* [end] */

static void parts_of_folios(struct kunit *test)
{
	struct folio *folio = hmk_get_folio(test, true, 4);
	size_t offset = PAGE_SIZE - 8, size = folio_size(folio);
	struct record record = { .name = "across two pages" };

	fill_folio(folio, 0);
	KUNIT_EXPECT_TRUE(test, is_zero(folio, 0, size));
	memcpy_to_folio(folio, offset, (char *)&record, sizeof(record));
	memset(&record, 0xff, sizeof(record));
	read_record(&record, folio, offset);
	KUNIT_EXPECT_STREQ(test, record.name, "across two pages");
	KUNIT_EXPECT_TRUE(test, is_zero(folio, 0, PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, is_zero(folio, 0, size));
}

/* [parse_folio] */
struct header {
	u32 length;		/* of all bytes, the header included */
	u32 sum;		/* of the bytes behind it */
	u8 bytes[];
};

static int parse(const struct header *h, size_t size)
{
	u32 i, sum = 0;

	if (h->length < sizeof(*h) || h->length > size)
		return -EINVAL;
	for (i = 0; i < h->length - sizeof(*h); i++)
		sum += h->bytes[i];
	return sum == h->sum ? 0 : -EBADMSG;
}

static int parse_folio(struct folio *folio)
{
	int err;
	struct header *h = folio_map_local(folio);

	if (!h)
		return -ENOMEM;
	err = parse(h, folio_size(folio));
	folio_unmap_local(folio, h);
	return err;
}

/* [end] */

static void whole_folios(struct kunit *test)
{
	unsigned int order;

	for (order = 0; order < 6; order++) {
		struct folio *folio = hmk_get_folio(test, true, order);
		struct header h = { .length = folio_size(folio) };

		fill_folio(folio, 1);
		h.sum = h.length - sizeof(h);
		memcpy_to_folio(folio, 0, (char *)&h, sizeof(h));
		KUNIT_EXPECT_EQ(test, parse_folio(folio), 0);
		memset_page(folio_page(folio, folio_nr_pages(folio) - 1), PAGE_SIZE - 1, 2, 1);
		KUNIT_EXPECT_EQ(test, parse_folio(folio), -EBADMSG);
	}
}

/* [fill_tail] */
/* A short file whose data is kept in the inode: @len < PAGE_SIZE */
static void read_inline(struct folio *folio, const char *data, size_t len)
{
	char *kaddr = kmap_local_folio(folio, 0);

	memcpy(kaddr, data, len);
	kaddr = folio_zero_tail(folio, len, kaddr + len);
	kunmap_local(kaddr);
}

/* [end] */

static void read_inline_by_helper(struct folio *folio, const char *data, size_t len)
{
	folio_fill_tail(folio, 0, data, len);
}

static void tails_of_folios(struct kunit *test)
{
	struct folio *folio = hmk_get_folio(test, true, 2);
	size_t size = folio_size(folio);

	fill_folio(folio, 0xff);
	read_inline(folio, "inline", 6);
	KUNIT_EXPECT_EQ(test, byte_of_file(folio, 5), 'e');
	KUNIT_EXPECT_TRUE(test, is_zero(folio, 6, size - 6));
	fill_folio(folio, 0xff);
	read_inline_by_helper(folio, "inline", 6);
	KUNIT_EXPECT_EQ(test, byte_of_file(folio, 5), 'e');
	KUNIT_EXPECT_TRUE(test, is_zero(folio, 6, size - 6));
}

/* ------------------------------------------------------ addresses for all tasks */

/* [fill_later] */
struct fill_later {
	struct work_struct work;
	struct page *page;
	char *addr;
};

/* In another task, and maybe on another CPU. */
static void fill_in_work(struct work_struct *work)
{
	struct fill_later *later = container_of(work, struct fill_later, work);

	memset(later->addr, 0x41, PAGE_SIZE);
	kunmap(later->page);
}

static void start_filling(struct fill_later *later, struct page *page)
{
	INIT_WORK(&later->work, fill_in_work);
	later->page = page;
	later->addr = kmap(page);
	schedule_work(&later->work);
}

/* [end] */

static void addresses_for_all_tasks(struct kunit *test)
{
	struct fill_later *later = hmk_zalloc(test, sizeof(*later));
	struct page *page = hmk_get_page(test, true);

	fill_page(page, 0);
	start_filling(later, page);
	flush_work(&later->work);
	KUNIT_EXPECT_TRUE(test, page_is(page, 0, 0x41, PAGE_SIZE));
}

/* [sum_pages] */
/* The bytes of pages from anywhere, as if they were one array. */
static int sum_pages(struct page **pages, unsigned int nr, u32 *sum)
{
	size_t i, len = nr * PAGE_SIZE;
	u8 *bytes = vmap(pages, nr, VM_MAP, PAGE_KERNEL);

	if (!bytes)
		return -ENOMEM;
	for (*sum = 0, i = 0; i < len; i++)
		*sum += bytes[i];
	vunmap(bytes);
	return 0;
}

/* [end] */

static void read_through(void *buf, int len, struct page *page)
{
	flush_kernel_vmap_range(buf, len);
	memset_page(page, 0, 0x44, len);
	invalidate_kernel_vmap_range(buf, len);
}

static void pages_from_anywhere(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 3);
	u32 sum = 0;
	u8 *view;

	fill_page(set->page[0], 1);
	fill_page(set->page[1], 0);
	fill_page(set->page[2], 2);
	KUNIT_EXPECT_EQ(test, sum_pages(set->page, set->nr, &sum), 0);
	KUNIT_EXPECT_EQ(test, sum, 3 * PAGE_SIZE);

	view = hmk_get_view(test, set->page, 3);
	read_through(view, PAGE_SIZE, set->page[0]);
	KUNIT_EXPECT_NULL(test, memchr_inv(view, 0x44, PAGE_SIZE));
}

/* [low_page] */
/* Without __GFP_HIGHMEM the page is in the direct mapping, so it has an address. */
static u32 *new_table(void)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

	return page ? page_address(page) : NULL;
}

static void free_table(u32 *table)
{
	free_page((unsigned long)table);
}

/* [end] */

static void pages_in_low_memory(struct kunit *test)
{
	u32 *table = new_table();
	bool zero;

	KUNIT_ASSERT_NOT_NULL(test, table);
	zero = !memchr_inv(table, 0, PAGE_SIZE);
	free_table(table);
	KUNIT_EXPECT_TRUE(test, zero);
}

/* [first_word_wrong] */
static u32 first_word_wrong(struct page *page)
{
	u32 *word = page_to_virt(page);		/* of a page from anywhere */

	return *word;
}

/* [end] */

/* [first_word] */
static u32 first_word(struct page *page)
{
	u32 *addr = kmap_local_page(page);
	u32 word = *addr;

	kunmap_local(addr);
	return word;
}

/* [end] */

#define UNKNOWN		64

/* In low memory the mistake has no effect. */
static void address_of_unknown_page(struct kunit *test)
{
	struct page *low = hmk_get_page(test, false);
	struct page_set *set;
	unsigned int i;

	fill_page(low, 0x51);
	KUNIT_EXPECT_EQ(test, first_word_wrong(low), 0x51515151);
	KUNIT_EXPECT_EQ(test, first_word(low), 0x51515151);

	REQUIRES_HIGHMEM(test);
	set = hmk_get_page_set(test, true, UNKNOWN);
	kmap_flush_unused();
	for (i = 0; i < UNKNOWN; i++) {
		stamp_page(set->page[i], 51);
		KUNIT_EXPECT_EQ(test, first_word(set->page[i]), stamp_word(set->page[i], 51, 0));
		KUNIT_EXPECT_NULL(test, page_address(set->page[i]));
		KUNIT_EXPECT_FALSE(test, stamped_nofault(page_to_virt(set->page[i]),
							 set->page[i], 51));
	}
}

/* ------------------------------------------------------------------ conversions */

/* [kmap_before] */
static void read_by_kmap(struct page *page, size_t offset, void *to, size_t len)
{
	char *addr = kmap(page);

	memcpy(to, addr + offset, len);
	kunmap(page);
}

/* [end] */

/* [kmap_after] */
static void read_mapped(struct page *page, size_t offset, void *to, size_t len)
{
	char *addr = kmap_local_page(page);

	memcpy(to, addr + offset, len);
	kunmap_local(addr);		/* the address, not the page */
}

/* [end] */

/* [kmap_after_helper] */
static void read_by_helper(struct page *page, size_t offset, void *to, size_t len)
{
	memcpy_from_page(to, page, offset, len);
}

/* [end] */

static void converted_from_kmap(struct kunit *test)
{
	static void (*const reads[])(struct page *, size_t, void *, size_t) = {
		read_by_kmap, read_mapped, read_by_helper,
	};
	struct page *page = hmk_get_page(test, true);
	unsigned int i;

	fill_page(page, 0);
	memset_page(page, 100, 0x61, 64);
	for (i = 0; i < ARRAY_SIZE(reads); i++) {
		char buf[64] = { };

		reads[i](page, 100, buf, sizeof(buf));
		KUNIT_EXPECT_NULL(test, memchr_inv(buf, 0x61, sizeof(buf)));
	}
}

/* [kmap_atomic_before] */
static size_t copy_out_by_kmap_atomic(void __user *to, struct page *page, size_t len)
{
	void *addr = kmap_atomic(page);
	size_t left = __copy_to_user_inatomic(to, addr, len);

	kunmap_atomic(addr);
	return left;
}

/* [end] */

/* [kmap_atomic_after] */
static size_t copy_out_without_faults(void __user *to, struct page *page, size_t len)
{
	void *addr = kmap_local_page(page);
	size_t left;

	/* The caller holds a lock that a page fault would want. */
	pagefault_disable();
	left = __copy_to_user_inatomic(to, addr, len);
	pagefault_enable();
	kunmap_local(addr);
	return left;
}

/* [end] */

static void fill_atomically(struct page *page, const char *buf, size_t len)
{
	char *addr = kmap_atomic(page);

	memcpy(addr, buf, len);
	kunmap_atomic(addr);
}

static u32 word_atomically(struct page *page)
{
	u32 value;
	const u32 *word = kmap_atomic_prot(page, PAGE_KERNEL_RO);

	value = *word;
	kunmap_atomic(word);
	return value;
}

static void bytes_of_frame_atomically(char *buf, unsigned long pfn, size_t len)
{
	char *frame = kmap_atomic_pfn(pfn);

	memcpy(buf, frame, len);
	kunmap_atomic(frame);
}

static void converted_from_kmap_atomic(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	void __user *to = user_memory(test);
	char buf[16] = "0123456789abcde";

	fill_page(page, 0x62);
	/* The user page does not exist yet: no page fault, and nothing is copied. */
	KUNIT_EXPECT_EQ(test, copy_out_without_faults(to, page, 64), 64);
	KUNIT_EXPECT_EQ(test, copy_out_by_kmap_atomic(to, page, 64), 64);
	KUNIT_EXPECT_EQ(test, copy_out(to, page, 64), 0);
	fill_page(page, 0x63);
	KUNIT_EXPECT_EQ(test, copy_out_by_kmap_atomic(to, page, 64), 0);
	expect_user_bytes(test, to, 0x63);
	fill_page(page, 0x64);
	KUNIT_EXPECT_EQ(test, copy_out_without_faults(to, page, 64), 0);
	expect_user_bytes(test, to, 0x64);

	KUNIT_EXPECT_EQ(test, word_atomically(page), 0x64646464);
	fill_atomically(page, buf, sizeof(buf));
	memset(buf, 0, sizeof(buf));
	bytes_of_frame_atomically(buf, page_to_pfn(page), sizeof(buf));
	KUNIT_EXPECT_STREQ(test, buf, "0123456789abcde");
}

/* ----------------------------------------------------- examples of the helpers */

static vm_fault_t new_zeroed(struct folio **found, struct vm_area_struct *vma,
			     unsigned long vaddr)
{
	struct folio *folio;

	folio = vma_alloc_zeroed_movable_folio(vma, vaddr);
	if (!folio)
		return VM_FAULT_OOM;
	*found = folio;
	return 0;
}

static vm_fault_t copy_on_write(struct page *new, struct page *old,
				struct vm_area_struct *vma, unsigned long vaddr)
{
	if (copy_mc_user_highpage(new, old, vaddr, vma))
		return VM_FAULT_HWPOISON;
	return 0;
}

static int move_page(struct page *new, struct page *old)
{
	if (copy_mc_highpage(new, old))
		return -EHWPOISON;
	return 0;
}

static void helpers_for_whole_pages(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 2);
	struct page *old = set->page[0], *new = set->page[1], *page = new;
	struct vm_area_struct *vma = &plain_vma;
	unsigned long vaddr = NO_USER;
	struct folio *folio = NULL;

	KUNIT_EXPECT_TRUE(test, !new_zeroed(&folio, vma, vaddr));
	KUNIT_ASSERT_NOT_NULL(test, folio);
	hmk_adopt_folio(test, folio);
	KUNIT_EXPECT_TRUE(test, is_zero(folio, 0, PAGE_SIZE));

	fill_page(old, 0x71);
	copy_highpage(new, old);
	KUNIT_EXPECT_TRUE(test, page_is(new, 0, 0x71, PAGE_SIZE));
	clear_highpage(page);
	KUNIT_EXPECT_TRUE(test, page_is(new, 0, 0, PAGE_SIZE));
	copy_user_highpage(new, old, vaddr, vma);
	KUNIT_EXPECT_TRUE(test, page_is(new, 0, 0x71, PAGE_SIZE));
	clear_user_highpage(page, vaddr);
	KUNIT_EXPECT_TRUE(test, page_is(new, 0, 0, PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, !copy_on_write(new, old, vma, vaddr));
	KUNIT_EXPECT_TRUE(test, page_is(new, 0, 0x71, PAGE_SIZE));
	clear_highpage_kasan_tagged(page);
	KUNIT_EXPECT_TRUE(test, page_is(new, 0, 0, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, move_page(new, old), 0);
	KUNIT_EXPECT_TRUE(test, page_is(new, 0, 0x71, PAGE_SIZE));
}

/* Bytes @from to @to of the block from @start to @end will be written. */
static void prepare_block(struct page *page, unsigned int start, unsigned int end,
			  unsigned int from, unsigned int to)
{
	zero_user_segments(page, start, from, to, end);
}

static void prepare_folio(struct folio *folio, size_t from, size_t to)
{
	folio_zero_segments(folio, 0, from, to, folio_size(folio));
}

static void cut_folio(struct folio *folio, size_t eof)
{
	folio_zero_segment(folio, eof, folio_size(folio));
}

static void helpers_that_zero(struct kunit *test)
{
	struct folio *folio = hmk_get_folio(test, true, 1);
	struct page *page = folio_page(folio, 0);
	size_t size = folio_size(folio);

	fill_folio(folio, 0x72);
	prepare_block(page, 512, 1024, 600, 700);
	KUNIT_EXPECT_TRUE(test, page_is(page, 0, 0x72, 512));
	KUNIT_EXPECT_TRUE(test, page_is(page, 512, 0, 600 - 512));
	KUNIT_EXPECT_TRUE(test, page_is(page, 600, 0x72, 100));
	KUNIT_EXPECT_TRUE(test, page_is(page, 700, 0, 1024 - 700));
	KUNIT_EXPECT_TRUE(test, page_is(page, 1024, 0x72, PAGE_SIZE - 1024));

	zero_user_segment(page, 1024, 1536);
	KUNIT_EXPECT_TRUE(test, page_is(page, 700, 0, 1536 - 700));
	zero_user(page, 1536, 512);
	KUNIT_EXPECT_TRUE(test, page_is(page, 700, 0, 2048 - 700));
	memzero_page(page, 2048, 512);
	KUNIT_EXPECT_TRUE(test, page_is(page, 700, 0, 2560 - 700));
	KUNIT_EXPECT_TRUE(test, page_is(page, 2560, 0x72, PAGE_SIZE - 2560));

	fill_folio(folio, 0x73);
	prepare_folio(folio, 10, size - 10);
	KUNIT_EXPECT_TRUE(test, folio_is(folio, 0, 0, 10));
	KUNIT_EXPECT_TRUE(test, folio_is(folio, 10, 0x73, size - 20));
	KUNIT_EXPECT_TRUE(test, folio_is(folio, size - 10, 0, 10));
	cut_folio(folio, PAGE_SIZE - 1);
	KUNIT_EXPECT_TRUE(test, folio_is(folio, 10, 0x73, PAGE_SIZE - 11));
	KUNIT_EXPECT_TRUE(test, folio_is(folio, PAGE_SIZE - 1, 0, size - PAGE_SIZE + 1));
	folio_zero_range(folio, 0, 512);
	KUNIT_EXPECT_TRUE(test, folio_is(folio, 0, 0, 512));
	KUNIT_EXPECT_TRUE(test, folio_is(folio, 512, 0x73, PAGE_SIZE - 513));
}

/* Reads @len bytes at @pos, all of them in @folio. */
static void read_file(char *to, struct folio *folio, loff_t pos, size_t len)
{
	while (len) {
		size_t n = memcpy_from_file_folio(to, folio, pos, len);

		to += n;
		pos += n;
		len -= n;
	}
}

static void helpers_that_copy(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 2);
	struct page *to = set->page[0], *from = set->page[1], *page = to;
	struct folio *folio = hmk_get_folio(test, true, 4);
	size_t size = folio_size(folio), len = 16;
	char buf[] = "0123456789abcde";
	char *all = hmk_get_vbuf(test, size);
	struct record record = { .name = "a name" };
	size_t offset = 2 * PAGE_SIZE - 8;

	fill_page(to, 0);
	memset_page(from, 0, 0x81, PAGE_SIZE);
	memcpy_page(to, 512, from, 0, 512);
	KUNIT_EXPECT_TRUE(test, page_is(to, 0, 0, 512));
	KUNIT_EXPECT_TRUE(test, page_is(to, 512, 0x81, 512));
	KUNIT_EXPECT_TRUE(test, page_is(to, 1024, 0, PAGE_SIZE - 1024));

	memcpy_to_page(page, 100, buf, len);
	memset(buf, 0, sizeof(buf));
	memcpy_from_page(buf, page, 100, len);
	KUNIT_EXPECT_STREQ(test, buf, "0123456789abcde");

	memcpy_to_folio(folio, offset, (char *)&record, sizeof(record));
	memset(&record, 0, sizeof(record));
	memcpy_from_folio((char *)&record, folio, offset, sizeof(record));
	KUNIT_EXPECT_STREQ(test, record.name, "a name");

	fill_folio(folio, 0x82);
	read_file(all, folio, 0, size);
	KUNIT_EXPECT_NULL(test, memchr_inv(all, 0x82, size));
}

static bool entry_is(struct folio *folio, size_t offset, u8 byte)
{
	u8 *entry = kmap_local_folio(folio, offset);
	bool is = *entry == byte;

	folio_release_kmap(folio, entry);
	return is;
}

static bool entry_of_page_is(struct page *page, u8 byte)
{
	u8 *entry = kmap_local_page(page);
	bool is = *entry == byte;

	unmap_and_put_page(page, entry);
	return is;
}

static void helpers_that_put(struct kunit *test)
{
	struct folio *folio = hmk_get_folio(test, true, 0);
	int refs = folio_ref_count(folio);

	fill_folio(folio, 0x83);
	folio_get(folio);
	KUNIT_EXPECT_TRUE(test, entry_is(folio, 20, 0x83));
	folio_get(folio);
	KUNIT_EXPECT_TRUE(test, entry_of_page_is(&folio->page, 0x83));
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), refs);
}

static int check_dma_buffer(const void *buf)
{
	/* The kernel has no DMA address for these. */
	if (is_kmap_addr(buf) || is_vmalloc_addr(buf))
		return -EINVAL;
	return 0;
}

static bool may_be_copied(const void *ptr, size_t n)
{
	if (is_kmap_addr(ptr) && n > kmap_addr_reach(ptr))
		return false;
	return true;
}

static struct page *page_of(void *buf)
{
	struct page *page;

	page = kmap_to_page(buf);
	return page;
}

static unsigned long low_pages(void)
{
	unsigned long low;

	low = totalram_pages() - totalhigh_pages();
	return low;
}

static int check_room(unsigned long wanted)
{
	if (nr_free_highpages() < wanted)
		return -ENOMEM;
	return 0;
}

static int give_away(struct page *page, void (*change)(struct page *))
{
	kmap_flush_unused();
	change(page);
	return 0;
}

static void note_address(struct page *page)
{
	/* After kmap_flush_unused() */
	if (PageHighMem(page) && page_address(page))
		fill_page(page, 0xff);
}

static void questions(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true), *low = hmk_get_page(test, false);
	int local, direct;
	bool one, two;
	void *addr;

	fill_page(page, 0x91);
	addr = kmap_local_page(page);
	local = check_dma_buffer(addr);
	one = may_be_copied(addr, PAGE_SIZE);
	two = may_be_copied(addr, PAGE_SIZE + 1);
	kunmap_local(addr);
	direct = check_dma_buffer(page_address(low));
	KUNIT_EXPECT_EQ(test, local, CAN_MAP ? -EINVAL : 0);
	KUNIT_EXPECT_EQ(test, direct, 0);
	KUNIT_EXPECT_TRUE(test, one);
	KUNIT_EXPECT_EQ(test, two, !CAN_MAP);
	KUNIT_EXPECT_PTR_EQ(test, page_of(page_address(low)), low);
	KUNIT_EXPECT_EQ(test, low_pages() + totalhigh_pages(), totalram_pages());
	KUNIT_EXPECT_EQ(test, check_room(0), 0);
	KUNIT_EXPECT_EQ(test, check_room(totalhigh_pages() + 1), -ENOMEM);

	kmap(page);
	kunmap(page);
	KUNIT_EXPECT_EQ(test, give_away(page, note_address), 0);
	KUNIT_EXPECT_TRUE(test, page_is(page, 0, 0x91, PAGE_SIZE));
}

/* --------------------------------------------------------------------- mistakes */

/* [wrong_order] */
static void swap_wrong(struct page *one, struct page *two, void *buf)
{
	void *a = kmap_local_page(one);
	void *b = kmap_local_page(two);

	memcpy(buf, a, PAGE_SIZE);
	memcpy(a, b, PAGE_SIZE);
	kunmap_local(a);		/* b was mapped later */
	memcpy(b, buf, PAGE_SIZE);
	kunmap_local(b);
}

/* [end] */

/* The mistake is reported, and both pages are unmapped. */
static void mistake_wrong_order(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 2);
	void *buf = hmk_get_vbuf(test, PAGE_SIZE);

	REQUIRES_MAPPING(test);
	fill_page(set->page[0], 0xa1);
	fill_page(set->page[1], 0xa2);
	hmk_provoke(test, "out of order");
	swap_wrong(set->page[0], set->page[1], buf);
	hmk_provoked(test);
	KUNIT_EXPECT_TRUE(test, page_is(set->page[0], 0, 0xa2, PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, page_is(set->page[1], 0, 0xa1, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

#define MAGIC		0x6d656d68

/* [leak] */
static int check_magic_wrong(struct page *page)
{
	u32 *word = kmap_local_page(page);

	if (*word != MAGIC)
		return -EINVAL;		/* with the page mapped */
	kunmap_local(word);
	return 0;
}

/* [end] */

/* The caller has one more mapping than it knows of. */
static void mistake_leak(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	unsigned int leaked;
	void *above;
	int err;

	REQUIRES_MAPPING(test);
	fill_page(page, 0);
	err = check_magic_wrong(page);
	leaked = map_depth(current);
	above = kmap_local_page(page);
	kunmap_local(above);
	/* Slots go downwards. */
	kunmap_local(above + leaked * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	KUNIT_EXPECT_EQ(test, leaked,
			HAVE_INTERNALS || IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL) ? 2 : 1);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

/* [use_after_unmap] */
static u32 late_word_wrong(struct page *page)
{
	u32 *word = kmap_local_page(page);

	kunmap_local(word);
	return *word;			/* maybe of another page */
}

/* [end] */

/*
 * With lazy unmapping the mistake may have no effect. With eager unmapping the access
 * faults.
 */
static void mistake_use_after_unmap(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	bool there;
	u32 *word;

	hmk_pause_probes(test);
	REQUIRES_MAPPING(test);
	fill_page(page, 0xa3);
	migrate_disable();
	word = kmap_local_page(page);
	kunmap_local(word);
	there = readable(word);
	migrate_enable();
	KUNIT_EXPECT_EQ(test, there, is_lazy());
	if (is_lazy()) {
		migrate_disable();
		KUNIT_EXPECT_EQ(test, late_word_wrong(page), 0xa3a3a3a3);
		migrate_enable();
	}
}

/* [overrun] */
static u32 overrun_wrong(struct folio *folio)
{
	u32 *word = kmap_local_folio(folio, 0);	/* one page of it */
	u32 i, sum = 0;

	for (i = 0; i < folio_size(folio) / sizeof(*word); i++)
		sum += word[i];
	kunmap_local(word);
	return sum;
}

/* [end] */

/*
 * A folio of one page does not show the mistake. A guard is behind the run of a larger
 * folio.
 */
static void mistake_overrun(struct kunit *test)
{
	struct folio *small = hmk_get_folio(test, true, 0);
	struct folio *large = hmk_get_folio(test, true, 1);
	bool first, last, behind;
	u8 *addr;

	hmk_pause_probes(test);
	fill_folio(small, 0);
	memset_page(&small->page, 0, 1, 1);
	KUNIT_EXPECT_EQ(test, le32_to_cpu((__force __le32)overrun_wrong(small)), 1);

	REQUIRES_MAPPING(test);
	migrate_disable();
	addr = kmap_local_folio(large, 0);
	first = readable(addr);
	last = readable(addr + PAGE_SIZE - sizeof(u32));
	behind = readable(addr + PAGE_SIZE);
	kunmap_local(addr);
	migrate_enable();
	KUNIT_EXPECT_TRUE(test, first);
	KUNIT_EXPECT_TRUE(test, last);
	if (IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL))
		KUNIT_EXPECT_FALSE(test, behind);
}

/* --------------------------------------------------------------- address space */

#if defined(CONFIG_X86_32) && defined(CONFIG_HIGHMEM)
#include <asm/cpu_entry_area.h>

/*
 * "make docs" compares the figures of Documentation/mm/highmem-i386.svg with what this
 * case logs.
 */
static void address_space(struct kunit *test)
{
	const struct {
		const char *name;
		unsigned long start, end;
	} map[] = {
		{ "user", 0, TASK_SIZE },
		{ "direct", PAGE_OFFSET, (unsigned long)high_memory },
		{ "vmalloc", VMALLOC_START, VMALLOC_END },
		{ "pkmap", PKMAP_ADDR(0), PKMAP_ADDR(LAST_PKMAP) },
		{ "cpu-entry", CPU_ENTRY_AREA_BASE, CPU_ENTRY_AREA_BASE +
						    CPU_ENTRY_AREA_MAP_SIZE },
		{ "fixmap", FIXADDR_START, FIXADDR_TOP },
		{ "kmap_local", __fix_to_virt(FIX_KMAP_END),
				__fix_to_virt(FIX_KMAP_BEGIN) + PAGE_SIZE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(map); i++) {
		kunit_info(test, "map: %s %08lx %08lx\n", map[i].name, map[i].start,
			   map[i].end);
		KUNIT_EXPECT_LT(test, map[i].start, map[i].end);
		/*
		 * From the lowest address upwards. The last range is part of the fixmap.
		 */
		if (i && i < ARRAY_SIZE(map) - 1)
			KUNIT_EXPECT_LE(test, map[i - 1].end, map[i].start);
	}
	KUNIT_EXPECT_GE(test, map[i - 1].start, map[i - 2].start);
	KUNIT_EXPECT_LE(test, map[i - 1].end, map[i - 2].end);
}
#endif

static struct kunit_case highmem_samples_cases[] = {
	KUNIT_CASE(local_mappings),
	KUNIT_CASE(other_local_mappings),
	KUNIT_CASE(sleep_while_mapped),
	KUNIT_CASE(map_in_interrupt),
	KUNIT_CASE(parts_of_folios),
	KUNIT_CASE(whole_folios),
	KUNIT_CASE(tails_of_folios),
	KUNIT_CASE(addresses_for_all_tasks),
	KUNIT_CASE(pages_from_anywhere),
	KUNIT_CASE(pages_in_low_memory),
	KUNIT_CASE(address_of_unknown_page),
	KUNIT_CASE(converted_from_kmap),
	KUNIT_CASE(converted_from_kmap_atomic),
	KUNIT_CASE(helpers_for_whole_pages),
	KUNIT_CASE(helpers_that_zero),
	KUNIT_CASE(helpers_that_copy),
	KUNIT_CASE(helpers_that_put),
	KUNIT_CASE(questions),
	KUNIT_CASE(mistake_wrong_order),
	KUNIT_CASE(mistake_leak),
	KUNIT_CASE(mistake_use_after_unmap),
	KUNIT_CASE(mistake_overrun),
#if defined(CONFIG_X86_32) && defined(CONFIG_HIGHMEM)
	KUNIT_CASE(address_space),
#endif
	{}
};

static struct kunit_suite highmem_samples_suite = {
	.name = "highmem_samples",
	.init = hmk_remember_task,
	.exit = hmk_check_task,
	.test_cases = highmem_samples_cases,
};

kunit_test_suites(&highmem_samples_suite);

#endif /* folio_map_local */

MODULE_DESCRIPTION("KUnit suite for high memory: the samples of the manual");
MODULE_LICENSE("GPL");
