// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_callers": callers of kmap_local_span(), and hardened usercopy,
 * which checks runs of pages.
 */

#include <linux/buildid.h>
#include <linux/elf.h>
#include <linux/file.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/prandom.h>
#include <linux/shmem_fs.h>
#include <linux/uio.h>

#include "highmem_kunit.h"

#define MAX_ORDER_TESTED	4
#define MAX_SIZE		(PAGE_SIZE << MAX_ORDER_TESTED)

struct copy {
	struct folio *folio;
	u8 *view;		/* the folio, through vmap() */
	u8 *buf;
	u8 *noise;
	size_t size;
};

static void setup_copy(struct kunit *test, struct copy *copy, unsigned int order,
		       bool high)
{
	struct page *pages[1 << MAX_ORDER_TESTED];
	struct rnd_state rnd;
	unsigned int i;

	copy->folio = hmk_get_folio(test, high, order);
	copy->size = folio_size(copy->folio);
	for (i = 0; i < 1U << order; i++)
		pages[i] = folio_page(copy->folio, i);
	copy->view = hmk_get_view(test, pages, 1U << order);
	copy->buf = hmk_get_vbuf(test, copy->size);
	copy->noise = hmk_get_vbuf(test, copy->size);
	prandom_seed_state(&rnd, 40 + order);
	prandom_bytes_state(&rnd, copy->noise, copy->size);
}

typedef bool (*range_fn)(struct copy *copy, size_t off, size_t len);

/*
 * Calls @run with offsets and ends around each page boundary. Returns the number of
 * failures.
 */
static unsigned int try_ranges(struct copy *copy, range_fn run)
{
	size_t from, to, off, end;
	unsigned int i, bad = 0;

	for (from = 0; from <= copy->size; from += PAGE_SIZE) {
		for (to = from; to <= copy->size; to += PAGE_SIZE) {
			for (i = 0; i < 9; i++) {
				off = from + i % 3 - 1;
				end = to + i / 3 - 1;
				if (off <= end && end <= copy->size)
					bad += !run(copy, off, end - off);
			}
		}
	}
	return bad;
}

static void for_ranges(struct kunit *test, range_fn run)
{
	unsigned int order, high, bad;
	struct copy copy;

	for (order = 0; order <= MAX_ORDER_TESTED; order++) {
		for (high = 0; high < 2; high++) {
			setup_copy(test, &copy, order, high);
			bad = try_ranges(&copy, run);
			KUNIT_EXPECT_EQ_MSG(test, bad, 0, "order %u high %u",
					    order, high);
		}
	}
}

static void make_iter(struct iov_iter *iter, struct kvec *vec, unsigned int dir,
		      void *buf, size_t len)
{
	*vec = (struct kvec) { .iov_base = buf, .iov_len = len };
	iov_iter_kvec(iter, dir, vec, 1, len);
}

static bool read_range(struct copy *copy, size_t off, size_t len)
{
	struct iov_iter iter;
	struct kvec vec;

	memcpy(copy->view, copy->noise, copy->size);
	memset(copy->buf, 0x55, copy->size);
	make_iter(&iter, &vec, ITER_DEST, copy->buf, len);
	return copy_page_to_iter(&copy->folio->page, off, len, &iter) == len &&
	       !iov_iter_count(&iter) &&
	       !memcmp(copy->buf, copy->noise + off, len) &&
	       !memchr_inv(copy->buf + len, 0x55, copy->size - len);
}

static void copy_page_to_iter_ranges(struct kunit *test)
{
	for_ranges(test, read_range);
}

static bool read_range_nofault(struct copy *copy, size_t off, size_t len)
{
	struct iov_iter iter;
	struct kvec vec;

	memcpy(copy->view, copy->noise, copy->size);
	memset(copy->buf, 0x55, copy->size);
	make_iter(&iter, &vec, ITER_DEST, copy->buf, len);
	return copy_page_to_iter_nofault(&copy->folio->page, off, len, &iter) == len &&
	       !memcmp(copy->buf, copy->noise + off, len) &&
	       !memchr_inv(copy->buf + len, 0x55, copy->size - len);
}

static void copy_page_to_iter_nofault_ranges(struct kunit *test)
{
	for_ranges(test, read_range_nofault);
}

/* Is the folio 0x55, except for @len bytes of noise at @off? */
static bool wrote_range(struct copy *copy, size_t off, size_t len)
{
	return !memchr_inv(copy->view, 0x55, off) &&
	       !memcmp(copy->view + off, copy->noise, len) &&
	       !memchr_inv(copy->view + off + len, 0x55, copy->size - off - len);
}

static bool write_range(struct copy *copy, size_t off, size_t len)
{
	struct iov_iter iter;
	struct kvec vec;

	memset(copy->view, 0x55, copy->size);
	make_iter(&iter, &vec, ITER_SOURCE, copy->noise, len);
	return copy_page_from_iter(&copy->folio->page, off, len, &iter) == len &&
	       wrote_range(copy, off, len);
}

static void copy_page_from_iter_ranges(struct kunit *test)
{
	for_ranges(test, write_range);
}

static bool write_range_atomic(struct copy *copy, size_t off, size_t len)
{
	struct iov_iter iter;
	struct kvec vec;

	memset(copy->view, 0x55, copy->size);
	make_iter(&iter, &vec, ITER_SOURCE, copy->noise, len);
	return copy_page_from_iter_atomic(&copy->folio->page, off, len, &iter) == len &&
	       wrote_range(copy, off, len);
}

static void copy_page_from_iter_atomic_ranges(struct kunit *test)
{
	for_ranges(test, write_range_atomic);
}

/* A short iterator ends the copy. */
static void copy_page_with_short_iter(struct kunit *test)
{
	size_t len = PAGE_SIZE + 17, n;
	struct iov_iter iter;
	struct copy copy;
	struct kvec vec;

	setup_copy(test, &copy, 2, true);
	memset(copy.view, 0x55, copy.size);
	make_iter(&iter, &vec, ITER_SOURCE, copy.noise, len);
	n = copy_page_from_iter(&copy.folio->page, 5, 3 * PAGE_SIZE, &iter);
	KUNIT_EXPECT_EQ(test, n, len);
	KUNIT_EXPECT_TRUE(test, wrote_range(&copy, 5, len));

	memcpy(copy.view, copy.noise, copy.size);
	make_iter(&iter, &vec, ITER_DEST, copy.buf, len);
	n = copy_page_to_iter(&copy.folio->page, 5, 3 * PAGE_SIZE, &iter);
	KUNIT_EXPECT_EQ(test, n, len);
	KUNIT_EXPECT_EQ(test, memcmp(copy.buf, copy.noise + 5, len), 0);
}

#ifdef folio_map_local /* and kmap_local_span() */
/* A hardened usercopy that does not recognise the run kills the task. */
static void usercopy_of_run(struct kunit *test)
{
	unsigned long user, left;
	size_t len, reach = 0;
	struct copy copy;
	void *addr;

	user = kunit_vm_mmap(test, NULL, 0, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, user, 0);
	KUNIT_ASSERT_LT(test, user, TASK_SIZE);
	setup_copy(test, &copy, 2, true);
	memcpy(copy.view, copy.noise, copy.size);

	len = 2 * PAGE_SIZE + 100;
	addr = kmap_local_span(copy.folio, 50, &len);
	if (is_kmap_addr(addr))
		reach = kmap_addr_reach(addr);
	left = copy_to_user((void __user *)user, addr, len);
	kunmap_local_span(addr, len);

	KUNIT_EXPECT_EQ(test, left, 0);
	KUNIT_EXPECT_EQ(test, copy_from_user(copy.buf, (void __user *)user, len), 0);
	KUNIT_EXPECT_EQ(test, memcmp(copy.buf, copy.noise + 50, len), 0);
	if (is_kmap_addr(addr)) {
		KUNIT_EXPECT_EQ(test, reach, PAGE_ALIGN(50 + len) - 50);
		/* Nothing is mapped there any more. */
		KUNIT_EXPECT_EQ(test, kmap_addr_reach(addr), 0);
	}
}

static void kmap_addr_reach_of_pages(struct kunit *test)
{
	struct folio *folio = hmk_get_folio(test, true, 1);
	struct page *other = hmk_get_page(test, true);
	size_t reach[3];
	void *a, *b;

	REQUIRES_HIGHMEM(test);
	/* Two single mappings that are not a run. */
	a = kmap_local_page(folio_page(folio, 0));
	b = kmap_local_page(other);
	reach[0] = kmap_addr_reach(a + 1);
	reach[1] = kmap_addr_reach(b);
	kunmap_local(b);
	kunmap_local(a);
	a = kmap(other);
	reach[2] = kmap_addr_reach(a + 4000);
	kunmap(other);

	KUNIT_EXPECT_EQ(test, reach[0], PAGE_SIZE - 1);
	KUNIT_EXPECT_EQ(test, reach[1], PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, reach[2], PAGE_SIZE - 4000);
}

/* More mappings than the stack has slots: the last one is in an overflow slot. */
#define NR_DEEP	20

static void kmap_addr_reach_in_overflow_slot(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, NR_DEEP);
	void *addr[NR_DEEP], *last;
	size_t reach;
	int i;

	REQUIRES_HIGHMEM(test);
	for (i = 0; i < NR_DEEP; i++)
		addr[i] = kmap_local_page(set->page[i]);
	last = addr[NR_DEEP - 1];
	reach = kmap_addr_reach(last + 96);
	while (i--)
		kunmap_local(addr[i]);

	KUNIT_EXPECT_EQ(test, reach, PAGE_SIZE - 96);
	KUNIT_EXPECT_EQ(test, kmap_addr_reach(last + 96), 0);
	KUNIT_EXPECT_EQ(test, kmap_addr_reach(last + PAGE_SIZE), 0);
}
#else
static void usercopy_of_run(struct kunit *test)
{
	kunit_skip(test, "needs kmap_local_span()");
}

static void kmap_addr_reach_of_pages(struct kunit *test)
{
	kunit_skip(test, "needs kmap_local_span()");
}

static void kmap_addr_reach_in_overflow_slot(struct kunit *test)
{
	kunit_skip(test, "needs kmap_local_span()");
}
#endif

/* The largest folio in the page cache of this kernel. */
#define FILE_ORDER	(IS_ENABLED(CONFIG_XARRAY_MULTI) ? 3 : 0)
#define PHDR_OFF	(IS_ENABLED(CONFIG_XARRAY_MULTI) ? PAGE_SIZE - 8 : 64)
#define NOTE_OFF	(IS_ENABLED(CONFIG_XARRAY_MULTI) ? 5 * PAGE_SIZE - 20 : 256)

/* An ELF file whose tables cross page boundaries if the folio is large. */
static void write_elf(u8 *image)
{
	struct elf32_hdr *ehdr = (void *)image;
	struct elf32_phdr *phdr = (void *)(image + PHDR_OFF);
	struct elf32_note *nhdr = (void *)(image + NOTE_OFF);
	unsigned int i;

	memcpy(ehdr->e_ident, ELFMAG, SELFMAG);
	ehdr->e_ident[EI_CLASS] = ELFCLASS32;
	ehdr->e_type = ET_DYN;
	ehdr->e_phoff = PHDR_OFF;
	ehdr->e_phnum = 1;
	phdr->p_type = PT_NOTE;
	phdr->p_offset = NOTE_OFF;
	phdr->p_filesz = sizeof(*nhdr) + 4 + BUILD_ID_SIZE_MAX;
	nhdr->n_namesz = 4;
	nhdr->n_descsz = BUILD_ID_SIZE_MAX;
	nhdr->n_type = 3;
	memcpy(nhdr + 1, "GNU", 4);
	for (i = 0; i < BUILD_ID_SIZE_MAX; i++)
		((u8 *)(nhdr + 1))[4 + i] = 0xa0 + i;
}

static void release_file(void *data)
{
	struct file *file = data;

	truncate_inode_pages(file->f_mapping, 0);
	fput(file);
}

/* A file whose page cache is one folio. It is only mapped, not read or written. */
static struct file *get_file_of(struct kunit *test, struct folio *folio)
{
	struct file *file = shmem_file_setup("highmem", folio_size(folio), FILE_NORESERVE);
	struct address_space *mapping;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_file, file), 0);
	mapping = file->f_mapping;
	if (folio_test_large(folio))
		mapping_set_large_folios(mapping);
	KUNIT_ASSERT_EQ(test, filemap_add_folio(mapping, folio, 0, GFP_KERNEL), 0);
	folio_mark_uptodate(folio);
	folio_unlock(folio);
	return file;
}

static void build_id_across_pages(struct kunit *test)
{
	struct vm_area_struct *vma = hmk_zalloc(test, sizeof(*vma));
	u8 *image = hmk_get_vbuf(test, PAGE_SIZE << FILE_ORDER);
	unsigned char id[BUILD_ID_SIZE_MAX] = { };
	struct folio *folio = hmk_get_folio(test, true, FILE_ORDER);
	unsigned int i, bad = 0;
	__u32 size = 0;
	int err;

	REQUIRES(test, FILE_ORDER, "no page cache of this kernel has large folios");
	memset(image, 0, PAGE_SIZE << FILE_ORDER);
	write_elf(image);
	memcpy_to_folio(folio, 0, image, PAGE_SIZE << FILE_ORDER);
	vma->vm_file = get_file_of(test, folio);

	err = build_id_parse_nofault(vma, id, &size);
	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_EQ(test, size, BUILD_ID_SIZE_MAX);
	for (i = 0; i < BUILD_ID_SIZE_MAX; i++)
		bad += id[i] != 0xa0 + i;
	KUNIT_EXPECT_EQ(test, bad, 0);
}

static struct kunit_case highmem_callers_cases[] = {
	KUNIT_CASE(copy_page_to_iter_ranges),
	KUNIT_CASE(copy_page_to_iter_nofault_ranges),
	KUNIT_CASE(copy_page_from_iter_ranges),
	KUNIT_CASE(copy_page_from_iter_atomic_ranges),
	KUNIT_CASE(copy_page_with_short_iter),
	KUNIT_CASE(usercopy_of_run),
	KUNIT_CASE(kmap_addr_reach_of_pages),
	KUNIT_CASE(kmap_addr_reach_in_overflow_slot),
	KUNIT_CASE(build_id_across_pages),
	{}
};

static struct kunit_suite highmem_callers_suite = {
	.name = "highmem_callers",
	.init = hmk_remember_task,
	.exit = hmk_check_task,
	.test_cases = highmem_callers_cases,
};

kunit_test_suites(&highmem_callers_suite);
