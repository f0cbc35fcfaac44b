// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suites for high memory.
 *
 * highmem        zones, counters, page_address() and the copy, clear and fill
 *                helpers of <linux/highmem.h>, each against a model
 * highmem_local  the per-task stack: kmap_local_*(), kmap_atomic*()
 * highmem_pool   the pool that everybody shares: kmap(), kunmap()
 *
 * The suites call nothing but the interface that users of high memory see, so
 * one file judges any implementation of it.
 *
 * How the file keeps a failure from spreading:
 *
 * - Nothing that needs undoing relies on the rest of its case being reached.
 *   Pages, threads, timers and long-lived mappings are undone by deferred
 *   actions. Local mappings are undone before the first assertion.
 * - No wait is without a bound. A thread that does not come back fails its
 *   case and is left behind together with the pages it may touch.
 * - A case that provokes a report says so on the console before and after.
 *   Many such reports appear once per boot, so one case owns each kind.
 * - A case that may lose the pool for good (a misuse that kills its task with
 *   the pool's lock held) notes it, and the cases behind it fail at once
 *   rather than hang. Such cases come last.
 */

#include <kunit/test.h>
#include <kunit/test-bug.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/hrtimer.h>
#include <linux/io-mapping.h>
#include <linux/irq_work.h>
#include <linux/kmsg_dump.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#ifdef CONFIG_KMAP_LOCAL
#include <asm/fixmap.h>
#include <asm/kmap_size.h>
#endif

/* -------------------------------------------------- what the kernel can do */

/* Does kmap_local_page() build a mapping for pages in low memory as well? */
#define FORCED		IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP)
/* Is there any page for which kmap_local_page() builds a mapping? */
#define CAN_MAP		(IS_ENABLED(CONFIG_HIGHMEM) || FORCED)

#ifdef kmap_prot
#define USUAL_PROT	kmap_prot
#else
#define USUAL_PROT	PAGE_KERNEL
#endif

#define NEEDS(test, what, why)						\
do {									\
	if (!(what))							\
		kunit_skip(test, why);					\
} while (0)

#define NEEDS_HIGHMEM(test)						\
	NEEDS(test, IS_ENABLED(CONFIG_HIGHMEM), "needs CONFIG_HIGHMEM")
#define NEEDS_MAPPING(test)						\
	NEEDS(test, CAN_MAP, "no page is ever mapped by kmap_local here")
#define NEEDS_TWO_CPUS(test)						\
	NEEDS(test, num_online_cpus() > 1, "needs two CPUs")

#define PATIENCE	(10 * HZ)

/* Depth of a task's stack of local mappings, in slots */
static int map_depth(const struct task_struct *task)
{
#ifdef CONFIG_KMAP_LOCAL
	return task->kmap_ctrl.idx;
#else
	return 0;
#endif
}

static bool in_local_slots(const void *p)
{
#ifdef CONFIG_KMAP_LOCAL
	unsigned long addr = (unsigned long)p;

	return addr >= __fix_to_virt(FIX_KMAP_END) &&
	       addr < __fix_to_virt(FIX_KMAP_BEGIN) + PAGE_SIZE;
#else
	return false;
#endif
}

/* Can the kernel read there? A TLB entry is per CPU: ask on the one it is on */
static bool readable(const void *addr)
{
	u32 word;

	return !copy_from_kernel_nofault(&word, addr, sizeof(word));
}

static void pin_to_cpu(struct kunit *test, unsigned int cpu)
{
	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpumask_of(cpu)), 0);
}

static unsigned int first_cpu(void)
{
	return cpumask_first(cpu_online_mask);
}

static unsigned int second_cpu(void)
{
	return cpumask_next(first_cpu(), cpu_online_mask);
}

/*
 * Is a former local mapping gone? It need not be before somebody asks for it,
 * unless the kernel is built to find uses after unmapping. The direct mapping
 * stays, of course.
 */
static bool local_gone(const void *addr)
{
	if (virt_addr_valid(addr))
		return true;
	if (!IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL))
		kmap_flush_unused();
	return !readable(addr);
}

/* ------------------------------------------------------------------- pages */

/* Set when a thread was lost: it may still use pages, so none is freed */
static bool leak_pages;

static void release_folio(void *folio)
{
	if (!leak_pages)
		folio_put(folio);
}

/* @high is a wish where the kernel has no high memory, else an order */
static struct folio *get_folio(struct kunit *test, bool high, unsigned int order)
{
	struct folio *folio = folio_alloc(high ? GFP_HIGHUSER : GFP_KERNEL, order);

	KUNIT_ASSERT_NOT_NULL(test, folio);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_folio, folio), 0);
	KUNIT_ASSERT_EQ(test, folio_test_highmem(folio),
			high && IS_ENABLED(CONFIG_HIGHMEM));
	return folio;
}

static struct page *get_page_from(struct kunit *test, bool high)
{
	return folio_page(get_folio(test, high, 0), 0);
}

struct page_set {
	unsigned int nr;
	struct page *page[];
};

static void release_page_set(void *data)
{
	struct page_set *set = data;

	if (leak_pages)
		return;
	while (set->nr)
		__free_page(set->page[--set->nr]);
	kvfree(set);
}

static struct page_set *get_page_set(struct kunit *test, bool high, unsigned int nr)
{
	struct page_set *set = kvzalloc(struct_size(set, page, nr), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, set);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_page_set, set), 0);
	while (set->nr < nr) {
		struct page *page = alloc_page(high ? GFP_HIGHUSER : GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, page);
		set->page[set->nr++] = page;
		if (high && IS_ENABLED(CONFIG_HIGHMEM))
			KUNIT_ASSERT_TRUE(test, PageHighMem(page));
	}
	return set;
}

static void release_view(void *view)
{
	vunmap(view);
}

/* See pages through vmap(), which none of the code under test has a part in */
static void *get_view(struct kunit *test, struct page **pages, unsigned int nr)
{
	void *view = vmap(pages, nr, VM_MAP, PAGE_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, view);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_view, view), 0);
	return view;
}

static void release_vbuf(void *buf)
{
	vfree(buf);
}

static void *get_vbuf(struct kunit *test, size_t size)
{
	void *buf = vzalloc(size);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_vbuf, buf), 0);
	return buf;
}

/*
 * A stamp tells pages and rounds apart: one word in every 64 bytes and the
 * last word of the page depend on the frame number, the salt and the place.
 */
#define STAMP_STRIDE	16
#define PAGE_WORDS	(PAGE_SIZE / sizeof(u32))

static u32 stamp_word(struct page *page, u32 salt, unsigned int i)
{
	u32 x = (u32)page_to_pfn(page) * 0x85ebca6bu + salt * 0x27d4eb2fu;

	return (x ^ (x >> 15)) + i * 0x01000193u;
}

static void stamp(void *addr, struct page *page, u32 salt)
{
	u32 *word = addr;
	unsigned int i;

	for (i = 0; i < PAGE_WORDS; i += STAMP_STRIDE)
		WRITE_ONCE(word[i], stamp_word(page, salt, i));
	WRITE_ONCE(word[PAGE_WORDS - 1], stamp_word(page, salt, PAGE_WORDS - 1));
}

static bool stamped(const void *addr, struct page *page, u32 salt)
{
	const u32 *word = addr;
	unsigned int i;

	for (i = 0; i < PAGE_WORDS; i += STAMP_STRIDE)
		if (READ_ONCE(word[i]) != stamp_word(page, salt, i))
			return false;
	return READ_ONCE(word[PAGE_WORDS - 1]) == stamp_word(page, salt, PAGE_WORDS - 1);
}

/* As stamped(), for an address that may turn out not to be mapped */
static bool stamped_nofault(const void *addr, struct page *page, u32 salt)
{
	u32 first, last;

	if (copy_from_kernel_nofault(&first, addr, sizeof(first)) ||
	    copy_from_kernel_nofault(&last, addr + PAGE_SIZE - sizeof(last), sizeof(last)))
		return false;
	return first == stamp_word(page, salt, 0) &&
	       last == stamp_word(page, salt, PAGE_WORDS - 1);
}

/* Local mapping, stamp or check, unmapping: for pages that nobody has mapped */
static void stamp_page(struct page *page, u32 salt)
{
	void *addr = kmap_local_page(page);

	stamp(addr, page, salt);
	kunmap_local(addr);
}

static bool page_stamped(struct page *page, u32 salt)
{
	void *addr = kmap_local_page(page);
	bool good = stamped(addr, page, salt);

	kunmap_local(addr);
	return good;
}

static void unmap_action(void *page)
{
	kunmap(page);
}

/* kmap() that is undone when the case ends, or earlier by drop_kmap() */
static void *hold_kmap(struct kunit *test, struct page *page)
{
	void *addr = kmap(page);

	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, unmap_action, page), 0);
	return addr;
}

static void drop_kmap(struct kunit *test, struct page *page)
{
	kunit_release_action(test, unmap_action, page);
}

/* ----------------------------------------------------------------- reports */

/* The log from here on is to hold @wanted; how often it did */
static struct kmsg_dump_iter log_start;
static const char *wanted;
static unsigned int seen;

static void end_provoking(void *unused)
{
	struct kmsg_dump_iter iter = log_start;
	static char line[256];
	size_t len;

	while (kmsg_dump_get_line(&iter, false, line, sizeof(line), &len))
		if (strnstr(line, wanted, len))
			seen++;
	pr_info("highmem_kunit: provoked\n");
}

/*
 * From here on the kernel is expected to complain, in words with @needle. Who
 * reads the log for unexpected complaints finds a line at either end.
 */
static void provoke(struct kunit *test, const char *needle)
{
	kunit_info(test, "highmem_kunit: provoking \"%s\"\n", needle);
	kmsg_dump_rewind(&log_start);
	log_start.cur_seq = log_start.next_seq;
	wanted = needle;
	seen = 0;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_provoking, NULL), 0);
}

static void provoked(struct kunit *test)
{
	kunit_release_action(test, end_provoking, NULL);
}

static void expect_report(struct kunit *test, const char *needle)
{
	if (!IS_ENABLED(CONFIG_BUG))
		return;
	KUNIT_EXPECT_GT_MSG(test, seen, 0,
			    "no report with \"%s\" in it (each comes once per boot)",
			    needle);
}

/* ----------------------------------------------------------------- threads */

struct worker {
	void (*run)(struct worker *worker);
	void *data;
	bool stop;
	int depth;
	struct completion done;
};

static int worker_main(void *data)
{
	struct worker *worker = data;

	worker->run(worker);
	worker->depth = map_depth(current);
	/* The worker may be freed from here on */
	complete_all(&worker->done);
	return 0;
}

static bool worker_stopped(struct worker *worker)
{
	return READ_ONCE(worker->stop);
}

static void end_worker(void *data)
{
	struct worker *worker = data;

	WRITE_ONCE(worker->stop, true);
	if (!wait_for_completion_timeout(&worker->done, PATIENCE)) {
		kunit_fail_current_test("a thread never came back");
		leak_pages = true;
		return;
	}
	kfree(worker);
}

/* Run @run in a thread of its own, on @cpu if that is not negative */
static struct worker *start_worker(struct kunit *test, int cpu,
				   void (*run)(struct worker *), void *data)
{
	struct worker *worker = kzalloc(sizeof(*worker), GFP_KERNEL);
	struct task_struct *task;

	KUNIT_ASSERT_NOT_NULL(test, worker);
	worker->run = run;
	worker->data = data;
	init_completion(&worker->done);
	task = kthread_create(worker_main, worker, "highmem_kunit");
	if (IS_ERR(task)) {
		kfree(worker);
		KUNIT_FAIL_AND_ABORT(test, "no thread");
	}
	if (cpu >= 0)
		kthread_bind(task, cpu);
	wake_up_process(task);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_worker, worker), 0);
	return worker;
}

static void join_worker(struct kunit *test, struct worker *worker)
{
	KUNIT_ASSERT_NE_MSG(test, wait_for_completion_timeout(&worker->done, PATIENCE), 0,
			    "a thread does not get on");
	KUNIT_EXPECT_EQ_MSG(test, worker->depth, 0, "a thread ended with pages mapped");
}

/* --------------------------------------------------- before and after a case */

/* Name of the case that may have left the pool's lock held by a dead task */
static const char *pool_victim;

static int remember_task(struct kunit *test)
{
	test->priv = get_task_struct(current);
	return 0;
}

static int remember_task_and_pool(struct kunit *test)
{
	remember_task(test);
	if (pool_victim) {
		kunit_err(test, "the pool was lost in %s\n", pool_victim);
		return -EIO;
	}
	return 0;
}

/* Runs in another thread than the case, even if the case was aborted */
static void check_task(struct kunit *test)
{
	struct task_struct *task = test->priv;

	if (!task)
		return;
	KUNIT_EXPECT_EQ_MSG(test, map_depth(task), 0, "the case left a page mapped");
	put_task_struct(task);
}

/* ----------------------------------------- highmem: zones, counters, addresses */

static void highmem_pages_exist(struct kunit *test)
{
	struct page *page = alloc_page(GFP_HIGHUSER);
	bool high;

	KUNIT_ASSERT_NOT_NULL(test, page);
	high = PageHighMem(page);
	__free_page(page);

	KUNIT_EXPECT_EQ(test, high, IS_ENABLED(CONFIG_HIGHMEM));
	if (IS_ENABLED(CONFIG_HIGHMEM))
		KUNIT_EXPECT_GT_MSG(test, totalhigh_pages(), 0,
				    "no high memory: give the machine more RAM");
	else
		KUNIT_EXPECT_EQ(test, totalhigh_pages() + nr_free_highpages(), 0);
}

static void totalhigh_pages_sums_zones(struct kunit *test)
{
	unsigned long sum = 0;
	struct zone *zone;

	for_each_populated_zone(zone)
		if (is_highmem(zone))
			sum += zone_managed_pages(zone);

	KUNIT_EXPECT_EQ(test, totalhigh_pages(), sum);
	KUNIT_EXPECT_LE(test, nr_free_highpages(), sum);
}

/* Pages on the allocator's lists per CPU do not count as free */
static unsigned long count_free_highpages(void)
{
	drain_all_pages(NULL);
	return nr_free_highpages();
}

static void nr_free_highpages_follows_use(struct kunit *test)
{
	/* Each CPU may owe the count this many, others allocate as well */
	const unsigned long slack = 128 * num_online_cpus() + 256;
	unsigned long before, during, after, nr;
	struct page_set *set;

	NEEDS_HIGHMEM(test);
	nr = min(8 * slack, totalhigh_pages() / 4);
	KUNIT_ASSERT_GT(test, nr, 2 * slack);

	before = count_free_highpages();
	set = get_page_set(test, true, nr);
	during = count_free_highpages();
	kunit_release_action(test, release_page_set, set);
	after = count_free_highpages();

	KUNIT_EXPECT_LE(test, during, before - nr + slack);
	KUNIT_EXPECT_GE(test, during, before - nr - slack);
	KUNIT_EXPECT_GE(test, after, before - slack);
	KUNIT_EXPECT_LE(test, after, before + slack);
}

static void page_address_of_low_page(struct kunit *test)
{
	struct page *page = get_page_from(test, false);
	void *addr = page_address(page);

	KUNIT_EXPECT_PTR_EQ(test, addr, __va(PFN_PHYS(page_to_pfn(page))));
	KUNIT_EXPECT_PTR_EQ(test, virt_to_page(addr), page);
	KUNIT_EXPECT_PTR_EQ(test, kmap_to_page(addr), page);
	KUNIT_EXPECT_PTR_EQ(test, kmap_to_page(addr + PAGE_SIZE - 1), page);
}

static void page_address_of_high_page(struct kunit *test)
{
	struct page *page, *other;
	void *addr;

	NEEDS_HIGHMEM(test);
	page = get_page_from(test, true);
	other = get_page_from(test, true);
	/* Former users of these frames may have left idle mappings */
	kmap_flush_unused();

	KUNIT_EXPECT_NULL(test, page_address(page));
	addr = hold_kmap(test, page);
	KUNIT_EXPECT_PTR_EQ(test, page_address(page), addr);
	KUNIT_EXPECT_NULL(test, page_address(other));
	drop_kmap(test, page);
	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(page));
}

/* ------------------------------------------------------ highmem: the helpers */

/*
 * An arena is a folio between two others, next to it in memory if the
 * allocator was kind, and a model in plain memory of what the three hold.
 * Every helper is applied to the folio and, in its simplest form, to the
 * model. Then all bytes must agree.
 *
 * A fence page stays mapped locally meanwhile. Its mapping is the neighbour of
 * the helper's own mappings, so writing past the end of one is seen as well.
 */
#define ARENA_TRIES	8
#define ARENA_MAX_ORDER	3
#define CANARY		64
#define CANARY_BYTE	0xa5
#define FENCE_SALT	4711

struct arena {
	struct folio *folio;
	struct folio *next;
	size_t size;
	u8 *view;		/* the three folios, through vmap() */
	u8 *model;		/* what they should hold */
	const u8 *noise;	/* random bytes to write, more than enough */
	u8 *out;		/* to read into, between canaries */
	struct page *fence;
	unsigned int step;
	struct rnd_state rnd;
	/* Where the helper under test has got to */
	size_t off;
	size_t len;
};

static int folio_order_in_memory(const void *a, const void *b)
{
	unsigned long x = folio_pfn(*(struct folio **)a);
	unsigned long y = folio_pfn(*(struct folio **)b);

	return x < y ? -1 : x > y;
}

static struct arena *get_arena(struct kunit *test, bool high, unsigned int order)
{
	struct arena *arena = kunit_kzalloc(test, sizeof(*arena), GFP_KERNEL);
	struct page *pages[3 << ARENA_MAX_ORDER];
	struct folio *folio[ARENA_TRIES];
	unsigned int i, j, nr = 0, first = 0;
	size_t noise_size;
	u8 *noise;

	KUNIT_ASSERT_NOT_NULL(test, arena);
	for (i = 0; i < ARENA_TRIES; i++)
		folio[i] = get_folio(test, high, order);
	sort(folio, ARENA_TRIES, sizeof(folio[0]), folio_order_in_memory, NULL);
	for (i = 0; i + 2 < ARENA_TRIES; i++)
		if (folio_pfn(folio[i + 2]) - folio_pfn(folio[i]) == 2UL << order)
			first = i;
	for (i = first; i < first + 3; i++)
		for (j = 0; j < 1U << order; j++)
			pages[nr++] = folio_page(folio[i], j);

	arena->folio = folio[first + 1];
	arena->next = folio[first + 2];
	arena->size = folio_size(arena->folio);
	arena->fence = get_page_from(test, high);
	stamp_page(arena->fence, FENCE_SALT);

	noise_size = 4 * arena->size;
	noise = get_vbuf(test, noise_size);
	prandom_seed_state(&arena->rnd, 20 + order);
	prandom_bytes_state(&arena->rnd, noise, noise_size);
	arena->noise = noise;
	arena->out = get_vbuf(test, arena->size + PAGE_SIZE + 2 * CANARY);
	arena->view = get_view(test, pages, nr);
	arena->model = get_vbuf(test, 3 * arena->size);
	memcpy(arena->model, noise, 3 * arena->size);
	memcpy(arena->view, noise, 3 * arena->size);
	return arena;
}

/* Bytes to write that differ from those of the last steps */
static const u8 *fresh_noise(struct arena *arena)
{
	return arena->noise + arena->step * 61 % arena->size;
}

static u8 *fresh_out(struct arena *arena)
{
	memset(arena->out, CANARY_BYTE, arena->size + PAGE_SIZE + 2 * CANARY);
	return arena->out + CANARY;
}

/* Were exactly @len bytes written to the buffer of fresh_out()? */
static bool only_wrote(struct arena *arena, size_t len)
{
	size_t rest = arena->size + PAGE_SIZE + CANARY - len;

	return !memchr_inv(arena->out, CANARY_BYTE, CANARY) &&
	       !memchr_inv(arena->out + CANARY + len, CANARY_BYTE, rest);
}

static u8 *model_at(struct arena *arena, size_t off)
{
	return arena->model + arena->size + off;
}

/* The offsets and lengths where a helper is likely to go wrong */
#define NR_EDGES	11

static size_t edge(size_t size, unsigned int i)
{
	switch (i) {
	case 0: return 0;
	case 1: return 1;
	case 2: return PAGE_SIZE - 1;
	case 3: return PAGE_SIZE;
	case 4: return PAGE_SIZE + 1;
	case 5: return 2 * PAGE_SIZE;
	case 6: return size - PAGE_SIZE - 1;
	case 7: return size - PAGE_SIZE;
	case 8: return size - PAGE_SIZE + 1;
	case 9: return size - 1;
	default: return size;
	}
}

#define NR_RANDOM	200

/* Advance to the next offset within the folio and length that ends within it */
static bool next_span(struct arena *arena)
{
	size_t size = arena->size;

	while (arena->step < NR_EDGES * NR_EDGES + NR_RANDOM) {
		unsigned int i = arena->step++;

		if (i < NR_EDGES * NR_EDGES) {
			arena->off = edge(size, i / NR_EDGES);
			arena->len = edge(size, i % NR_EDGES);
		} else {
			arena->off = prandom_u32_state(&arena->rnd) % size;
			arena->len = prandom_u32_state(&arena->rnd) % (size - arena->off + 1);
		}
		if (arena->off < size && arena->len <= size - arena->off)
			return true;
	}
	return false;
}

/* Apply a helper to the folio, then to the model. False if it answered wrongly */
typedef bool (*helper_fn)(struct arena *arena, size_t off, size_t len);

static bool try_helper(struct kunit *test, struct arena *arena, helper_fn helper)
{
	void *fence = kmap_local_page(arena->fence);
	int depth = map_depth(current);
	bool right = helper(arena, arena->off, arena->len);
	bool balanced = map_depth(current) == depth;
	bool intact = stamped(fence, arena->fence, FENCE_SALT);
	bool agrees;

	kunmap_local(fence);
	agrees = !memcmp(arena->view, arena->model, 3 * arena->size);
	if (right && balanced && intact && agrees)
		return true;

	KUNIT_FAIL(test, "%s folio of %zu bytes, offset %zu, length %zu:%s%s%s%s",
		   folio_test_highmem(arena->folio) ? "high" : "low",
		   arena->size, arena->off, arena->len,
		   right ? "" : " wrong answer;",
		   balanced ? "" : " mapping left behind;",
		   intact ? "" : " wrote beyond a mapping;",
		   agrees ? "" : " the folios hold something else than the model");
	return false;
}

static void check_helper(struct kunit *test, helper_fn helper)
{
	unsigned int order, high;

	for (high = 0; high <= IS_ENABLED(CONFIG_HIGHMEM); high++) {
		for (order = 0; order <= ARENA_MAX_ORDER; order++) {
			struct arena *arena = get_arena(test, high, order);

			while (next_span(arena))
				if (!try_helper(test, arena, helper))
					return;
		}
	}
}

/* Helpers for one page get the part of the span that lies in its first page */
struct page_span {
	struct page *page;
	size_t off;
	size_t len;
};

static struct page_span in_one_page(struct arena *arena, size_t off, size_t len)
{
	return (struct page_span) {
		.page = folio_page(arena->folio, off / PAGE_SIZE),
		.off = offset_in_page(off),
		.len = min_t(size_t, len, PAGE_SIZE - offset_in_page(off)),
	};
}

static bool do_memcpy_from_page(struct arena *arena, size_t off, size_t len)
{
	struct page_span s = in_one_page(arena, off, len);
	u8 *out = fresh_out(arena);

	memcpy_from_page(out, s.page, s.off, s.len);
	return only_wrote(arena, s.len) && !memcmp(out, model_at(arena, off), s.len);
}

static void memcpy_from_page_spans(struct kunit *test)
{
	check_helper(test, do_memcpy_from_page);
}

static bool do_memcpy_to_page(struct arena *arena, size_t off, size_t len)
{
	struct page_span s = in_one_page(arena, off, len);
	const u8 *from = fresh_noise(arena);

	memcpy_to_page(s.page, s.off, from, s.len);
	memcpy(model_at(arena, off), from, s.len);
	return true;
}

static void memcpy_to_page_spans(struct kunit *test)
{
	check_helper(test, do_memcpy_to_page);
}

/* From the next folio, at an offset of its own, to the one in the middle */
static bool do_memcpy_page(struct arena *arena, size_t off, size_t len)
{
	struct page_span s = in_one_page(arena, off, len);
	size_t from = arena->step * 97 % (PAGE_SIZE - s.len + 1);

	memcpy_page(s.page, s.off, folio_page(arena->next, 0), from, s.len);
	memcpy(model_at(arena, off), model_at(arena, arena->size + from), s.len);
	return true;
}

static bool do_memcpy_page_within(struct arena *arena, size_t off, size_t len)
{
	struct page_span s = in_one_page(arena, off, len);
	size_t from = s.off + s.len <= PAGE_SIZE - s.len ? s.off + s.len : 0;

	s.len = min(s.len, from ? PAGE_SIZE - from : s.off);
	memcpy_page(s.page, s.off, s.page, from, s.len);
	memcpy(model_at(arena, off), model_at(arena, off - s.off + from), s.len);
	return true;
}

static void memcpy_page_spans(struct kunit *test)
{
	check_helper(test, do_memcpy_page);
	check_helper(test, do_memcpy_page_within);
}

static bool do_memset_page(struct arena *arena, size_t off, size_t len)
{
	struct page_span s = in_one_page(arena, off, len);
	int val = arena->step * 7 - 300;

	memset_page(s.page, s.off, val, s.len);
	memset(model_at(arena, off), val, s.len);
	return true;
}

static void memset_page_spans(struct kunit *test)
{
	check_helper(test, do_memset_page);
}

/* Zeroing zeroes tells nothing: put noise there first, unseen by the helper */
static void refill(struct arena *arena)
{
	const u8 *from = fresh_noise(arena);

	memcpy(arena->model, from, 3 * arena->size);
	memcpy(arena->view, from, 3 * arena->size);
}

static bool do_memzero_page(struct arena *arena, size_t off, size_t len)
{
	struct page_span s = in_one_page(arena, off, len);

	refill(arena);
	memzero_page(s.page, s.off, s.len);
	memset(model_at(arena, off), 0, s.len);
	return true;
}

static void memzero_page_spans(struct kunit *test)
{
	check_helper(test, do_memzero_page);
}

static bool do_memcpy_from_folio(struct arena *arena, size_t off, size_t len)
{
	u8 *out = fresh_out(arena);

	memcpy_from_folio(out, arena->folio, off, len);
	return only_wrote(arena, len) && !memcmp(out, model_at(arena, off), len);
}

static void memcpy_from_folio_spans(struct kunit *test)
{
	check_helper(test, do_memcpy_from_folio);
}

static bool do_memcpy_to_folio(struct arena *arena, size_t off, size_t len)
{
	const u8 *from = fresh_noise(arena);

	memcpy_to_folio(arena->folio, off, from, len);
	memcpy(model_at(arena, off), from, len);
	return true;
}

static void memcpy_to_folio_spans(struct kunit *test)
{
	check_helper(test, do_memcpy_to_folio);
}

/*
 * The folio sits at some offset in a file, and the caller may ask for more
 * than is left of it. How much comes at a time is the kernel's choice between
 * the rest of the page and the rest of the folio.
 */
static bool do_memcpy_from_file_folio(struct arena *arena, size_t off, size_t len)
{
	loff_t pos = (loff_t)arena->size * 0x300000 + off;
	size_t asked = len + (arena->step & 1 ? PAGE_SIZE : 0);
	size_t most = min(asked, arena->size - off);
	size_t least = min(most, PAGE_SIZE - offset_in_page(off));
	u8 *out = fresh_out(arena);
	size_t got = memcpy_from_file_folio(out, arena->folio, pos, asked);

	if (!folio_test_highmem(arena->folio) && !FORCED)
		least = most;
	return got >= least && got <= most && only_wrote(arena, got) &&
	       !memcmp(out, model_at(arena, off), got);
}

static void memcpy_from_file_folio_spans(struct kunit *test)
{
	check_helper(test, do_memcpy_from_file_folio);
}

static bool do_folio_zero_tail(struct arena *arena, size_t off, size_t len)
{
	void *addr;

	refill(arena);
	addr = kmap_local_folio(arena->folio, off);
	addr = folio_zero_tail(arena->folio, off, addr);
	kunmap_local(addr);
	memset(model_at(arena, off), 0, arena->size - off);
	return true;
}

static void folio_zero_tail_spans(struct kunit *test)
{
	check_helper(test, do_folio_zero_tail);
}

static void fill_tail_both(struct arena *arena, size_t off, size_t len)
{
	const u8 *from = arena->noise + arena->step;

	refill(arena);
	folio_fill_tail(arena->folio, off, from, len);
	memcpy(model_at(arena, off), from, len);
	memset(model_at(arena, off + len), 0, arena->size - off - len);
}

/* Data that ends on a page boundary has a case of its own, see below */
static bool do_folio_fill_tail(struct arena *arena, size_t off, size_t len)
{
	if (len && !offset_in_page(off + len))
		return true;
	fill_tail_both(arena, off, len);
	return true;
}

static void folio_fill_tail_spans(struct kunit *test)
{
	check_helper(test, do_folio_fill_tail);
}

/* A broken unmapping may leave TLB entries that harm the cases which follow */
static void flush_stale_tlb(void *page)
{
	kmap(page);
	kunmap(page);
	kmap_flush_unused();
}

static void guard_against_stale_tlb(struct kunit *test)
{
	struct page *page = get_page_from(test, true);

	KUNIT_ASSERT_EQ(test, kunit_add_action(test, flush_stale_tlb, page), 0);
}

static bool do_folio_fill_tail_boundary(struct arena *arena, size_t off, size_t len)
{
	if (!len || offset_in_page(off + len))
		return true;
	fill_tail_both(arena, off, len);
	return true;
}

static void folio_fill_tail_page_boundary(struct kunit *test)
{
	guard_against_stale_tlb(test);
	check_helper(test, do_folio_fill_tail_boundary);
}

/* A second range anywhere: before, after, within or across the first */
static bool do_zero_segments(struct arena *arena, size_t off, size_t len,
			     void (*zero)(struct arena *arena, size_t start1, size_t end1,
					  size_t start2, size_t end2))
{
	size_t start2 = prandom_u32_state(&arena->rnd) % (arena->size + 1);
	size_t end2 = start2 + prandom_u32_state(&arena->rnd) % (arena->size - start2 + 1);

	if (arena->step % 3 == 0)
		end2 = start2;
	refill(arena);
	zero(arena, off, off + len, start2, end2);
	memset(model_at(arena, off), 0, len);
	memset(model_at(arena, start2), 0, end2 - start2);
	return true;
}

static void by_page_segments(struct arena *arena, size_t start1, size_t end1,
			     size_t start2, size_t end2)
{
	zero_user_segments(folio_page(arena->folio, 0), start1, end1, start2, end2);
}

static bool do_zero_user_segments(struct arena *arena, size_t off, size_t len)
{
	return do_zero_segments(arena, off, len, by_page_segments);
}

static void zero_user_segments_spans(struct kunit *test)
{
	check_helper(test, do_zero_user_segments);
}

static void by_folio_segments(struct arena *arena, size_t start1, size_t end1,
			      size_t start2, size_t end2)
{
	folio_zero_segments(arena->folio, start1, end1, start2, end2);
}

static bool do_folio_zero_segments(struct arena *arena, size_t off, size_t len)
{
	return do_zero_segments(arena, off, len, by_folio_segments);
}

static void folio_zero_segments_spans(struct kunit *test)
{
	check_helper(test, do_folio_zero_segments);
}

static bool do_folio_zero_segment(struct arena *arena, size_t off, size_t len)
{
	refill(arena);
	folio_zero_segment(arena->folio, off, off + len);
	memset(model_at(arena, off), 0, len);
	return true;
}

static void folio_zero_segment_spans(struct kunit *test)
{
	check_helper(test, do_folio_zero_segment);
}

static bool do_folio_zero_range(struct arena *arena, size_t off, size_t len)
{
	refill(arena);
	folio_zero_range(arena->folio, off, len);
	memset(model_at(arena, off), 0, len);
	return true;
}

static void folio_zero_range_spans(struct kunit *test)
{
	check_helper(test, do_folio_zero_range);
}

static bool do_zero_user_segment(struct arena *arena, size_t off, size_t len)
{
	refill(arena);
	zero_user_segment(folio_page(arena->folio, 0), off, off + len);
	memset(model_at(arena, off), 0, len);
	return true;
}

static void zero_user_segment_spans(struct kunit *test)
{
	check_helper(test, do_zero_user_segment);
}

static bool do_zero_user(struct arena *arena, size_t off, size_t len)
{
	refill(arena);
	zero_user(folio_page(arena->folio, 0), off, len);
	memset(model_at(arena, off), 0, len);
	return true;
}

static void zero_user_spans(struct kunit *test)
{
	check_helper(test, do_zero_user);
}

/* A page inside a folio stands for itself */
static bool do_zero_user_tail(struct arena *arena, size_t off, size_t len)
{
	struct page_span s = in_one_page(arena, off, len);

	refill(arena);
	zero_user(s.page, s.off, s.len);
	memset(model_at(arena, off), 0, s.len);
	return true;
}

static void zero_user_tail_page(struct kunit *test)
{
	check_helper(test, do_zero_user_tail);
}

/* Nothing to do, at the very end of the folio */
static bool do_nothing_at_end(struct arena *arena, size_t off, size_t len)
{
	size_t end = arena->size;
	u8 *out = fresh_out(arena);

	refill(arena);
	memcpy_from_folio(out, arena->folio, end, 0);
	memcpy_to_folio(arena->folio, end, arena->noise, 0);
	folio_zero_range(arena->folio, end, 0);
	folio_zero_segment(arena->folio, end, end);
	folio_zero_segments(arena->folio, end, end, end, end);
	zero_user(folio_page(arena->folio, 0), end, 0);
	folio_fill_tail(arena->folio, end, arena->noise, 0);
	return only_wrote(arena, 0);
}

static void helpers_empty_at_end(struct kunit *test)
{
	guard_against_stale_tlb(test);
	check_helper(test, do_nothing_at_end);
}

static bool do_clear_highpage(struct arena *arena, size_t off, size_t len)
{
	struct page_span s = in_one_page(arena, off, 0);

	refill(arena);
	clear_highpage(s.page);
	memset(model_at(arena, off - s.off), 0, PAGE_SIZE);
	return true;
}

static void clear_highpage_whole(struct kunit *test)
{
	check_helper(test, do_clear_highpage);
}

static bool do_clear_highpage_kasan_tagged(struct arena *arena, size_t off, size_t len)
{
	struct page_span s = in_one_page(arena, off, 0);

	refill(arena);
	clear_highpage_kasan_tagged(s.page);
	memset(model_at(arena, off - s.off), 0, PAGE_SIZE);
	return true;
}

static void clear_highpage_kasan_tagged_whole(struct kunit *test)
{
	check_helper(test, do_clear_highpage_kasan_tagged);
}

/* Where user space would see the pages: only caches with aliases care */
#define USER_ADDR	0x400000UL

static bool do_clear_user_highpage(struct arena *arena, size_t off, size_t len)
{
	struct page_span s = in_one_page(arena, off, 0);

	refill(arena);
	clear_user_highpage(s.page, USER_ADDR);
	memset(model_at(arena, off - s.off), 0, PAGE_SIZE);
	return true;
}

static void clear_user_highpage_whole(struct kunit *test)
{
	check_helper(test, do_clear_user_highpage);
}

/* Copy a page of the next folio, the middle's counterpart of it, by @copy */
static bool do_copy(struct arena *arena, size_t off,
		    int (*copy)(struct page *to, struct page *from))
{
	struct page_span s = in_one_page(arena, off, 0);
	size_t to = off - s.off;

	refill(arena);
	if (copy(s.page, folio_page(arena->next, off / PAGE_SIZE)))
		return false;
	memcpy(model_at(arena, to), model_at(arena, arena->size + to), PAGE_SIZE);
	return true;
}

/* And between zones, which an arena does not span */
static void check_copy_across(struct kunit *test, int (*copy)(struct page *to, struct page *from))
{
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 21);
	for (i = 0; i < 4; i++) {
		struct page *from = get_page_from(test, i & 1);
		struct page *to = get_page_from(test, i & 2);
		u8 *seen_from = get_view(test, &from, 1);
		u8 *seen_to = get_view(test, &to, 1);

		prandom_bytes_state(&rnd, seen_from, PAGE_SIZE);
		memset(seen_to, 0, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, copy(to, from), 0);
		KUNIT_EXPECT_EQ(test, memcmp(seen_to, seen_from, PAGE_SIZE), 0);
	}
}

static struct vm_area_struct plain_vma;

static int by_copy_highpage(struct page *to, struct page *from)
{
	copy_highpage(to, from);
	return 0;
}

static int by_copy_user_highpage(struct page *to, struct page *from)
{
	copy_user_highpage(to, from, USER_ADDR, &plain_vma);
	return 0;
}

static int by_copy_mc_highpage(struct page *to, struct page *from)
{
	return copy_mc_highpage(to, from);
}

static int by_copy_mc_user_highpage(struct page *to, struct page *from)
{
	return copy_mc_user_highpage(to, from, USER_ADDR, &plain_vma);
}

static int by_memcpy_page(struct page *to, struct page *from)
{
	memcpy_page(to, 0, from, 0, PAGE_SIZE);
	return 0;
}

static bool do_copy_highpage(struct arena *arena, size_t off, size_t len)
{
	return do_copy(arena, off, by_copy_highpage);
}

static bool do_copy_user_highpage(struct arena *arena, size_t off, size_t len)
{
	return do_copy(arena, off, by_copy_user_highpage);
}

static bool do_copy_mc_highpage(struct arena *arena, size_t off, size_t len)
{
	return do_copy(arena, off, by_copy_mc_highpage);
}

static bool do_copy_mc_user_highpage(struct arena *arena, size_t off, size_t len)
{
	return do_copy(arena, off, by_copy_mc_user_highpage);
}

static void copy_highpage_whole(struct kunit *test)
{
	check_helper(test, do_copy_highpage);
	check_copy_across(test, by_copy_highpage);
}

static void copy_user_highpage_whole(struct kunit *test)
{
	check_helper(test, do_copy_user_highpage);
	check_copy_across(test, by_copy_user_highpage);
}

static void copy_mc_highpage_whole(struct kunit *test)
{
	check_helper(test, do_copy_mc_highpage);
	check_copy_across(test, by_copy_mc_highpage);
}

static void copy_mc_user_highpage_whole(struct kunit *test)
{
	check_helper(test, do_copy_mc_user_highpage);
	check_copy_across(test, by_copy_mc_user_highpage);
}

static void memcpy_page_across_zones(struct kunit *test)
{
	check_copy_across(test, by_memcpy_page);
}

static void vma_alloc_zeroed_movable_folio_is_zero(struct kunit *test)
{
	struct page_set *dirty = get_page_set(test, true, 64);
	struct vm_area_struct *vma = kunit_kzalloc(test, sizeof(*vma), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, vma);
	/* What was freed last is handed out first */
	for (i = 0; i < dirty->nr; i++)
		stamp_page(dirty->page[i], i);
	kunit_release_action(test, release_page_set, dirty);

	for (i = 0; i < 64; i++) {
		struct folio *folio = vma_alloc_zeroed_movable_folio(vma, USER_ADDR);
		struct page *page;

		KUNIT_ASSERT_NOT_NULL(test, folio);
		KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_folio, folio), 0);
		KUNIT_ASSERT_EQ(test, folio_size(folio), PAGE_SIZE);
		page = folio_page(folio, 0);
		KUNIT_EXPECT_NULL(test, memchr_inv(get_view(test, &page, 1), 0, PAGE_SIZE));
	}
}

static void folio_release_kmap_unmaps_and_puts(struct kunit *test)
{
	struct folio *folio = get_folio(test, true, 1);
	int refs = folio_ref_count(folio);
	int depth, held;
	void *addr;

	folio_get(folio);
	addr = kmap_local_folio(folio, PAGE_SIZE + 100);
	held = map_depth(current);
	folio_release_kmap(folio, addr);
	depth = map_depth(current);

	KUNIT_EXPECT_EQ(test, held > 0, CAN_MAP);
	KUNIT_EXPECT_EQ(test, depth, 0);
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), refs);
}

static void unmap_and_put_page_of_tail_page(struct kunit *test)
{
	struct folio *folio = get_folio(test, true, 1);
	int refs = folio_ref_count(folio);
	int depth, held;
	void *addr;

	folio_get(folio);
	addr = kmap_local_page(folio_page(folio, 1));
	held = map_depth(current);
	unmap_and_put_page(folio_page(folio, 1), addr + 7);
	depth = map_depth(current);

	KUNIT_EXPECT_EQ(test, held > 0, CAN_MAP);
	KUNIT_EXPECT_EQ(test, depth, 0);
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), refs);
}

static struct kunit_case highmem_cases[] = {
	KUNIT_CASE(highmem_pages_exist),
	KUNIT_CASE(totalhigh_pages_sums_zones),
	KUNIT_CASE(nr_free_highpages_follows_use),
	KUNIT_CASE(page_address_of_low_page),
	KUNIT_CASE(page_address_of_high_page),
	KUNIT_CASE(memcpy_from_page_spans),
	KUNIT_CASE(memcpy_to_page_spans),
	KUNIT_CASE(memcpy_page_spans),
	KUNIT_CASE(memcpy_page_across_zones),
	KUNIT_CASE(memset_page_spans),
	KUNIT_CASE(memzero_page_spans),
	KUNIT_CASE(memcpy_from_folio_spans),
	KUNIT_CASE(memcpy_to_folio_spans),
	KUNIT_CASE(memcpy_from_file_folio_spans),
	KUNIT_CASE(folio_zero_tail_spans),
	KUNIT_CASE(folio_fill_tail_spans),
	KUNIT_CASE(folio_zero_segments_spans),
	KUNIT_CASE(folio_zero_segment_spans),
	KUNIT_CASE(folio_zero_range_spans),
	KUNIT_CASE(zero_user_segments_spans),
	KUNIT_CASE(zero_user_segment_spans),
	KUNIT_CASE(zero_user_spans),
	KUNIT_CASE(zero_user_tail_page),
	KUNIT_CASE(clear_highpage_whole),
	KUNIT_CASE(clear_highpage_kasan_tagged_whole),
	KUNIT_CASE(clear_user_highpage_whole),
	KUNIT_CASE(copy_highpage_whole),
	KUNIT_CASE(copy_user_highpage_whole),
	KUNIT_CASE(copy_mc_highpage_whole),
	KUNIT_CASE(copy_mc_user_highpage_whole),
	KUNIT_CASE(vma_alloc_zeroed_movable_folio_is_zero),
	KUNIT_CASE(folio_release_kmap_unmaps_and_puts),
	KUNIT_CASE(unmap_and_put_page_of_tail_page),
	KUNIT_CASE(helpers_empty_at_end),
	KUNIT_CASE(folio_fill_tail_page_boundary),
	{}
};

static struct kunit_suite highmem_suite = {
	.name = "highmem",
	.init = remember_task,
	.exit = check_task,
	.test_cases = highmem_cases,
};

/* ------------------------------------------------ highmem_local: map and unmap */

/* Map @nr pages, in order, and unmap them in the opposite order */
static void map_all(struct page_set *set, void **addr, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		addr[i] = kmap_local_page(set->page[i]);
}

static void unmap_all(void **addr, unsigned int nr)
{
	while (nr--)
		kunmap_local(addr[nr]);
}

static unsigned int count_stamped(struct page_set *set, void **addr, unsigned int nr, u32 salt)
{
	unsigned int i, good = 0;

	for (i = 0; i < nr; i++)
		good += stamped(addr[i], set->page[i], salt);
	return good;
}

static void kmap_local_page_round_trip(struct kunit *test)
{
	struct page *page = get_page_from(test, true);
	void *view = get_view(test, &page, 1);
	bool good, through;
	void *addr;

	stamp(view, page, 1);
	addr = kmap_local_page(page);
	good = stamped(addr, page, 1);
	stamp(addr, page, 2);
	kunmap_local(addr);
	through = stamped(view, page, 2);

	KUNIT_EXPECT_TRUE(test, good);
	KUNIT_EXPECT_TRUE(test, through);
	KUNIT_EXPECT_EQ(test, offset_in_page(addr), 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	if (IS_ENABLED(CONFIG_HIGHMEM))
		KUNIT_EXPECT_TRUE(test, in_local_slots(addr));
}

static void kmap_local_page_of_low_page(struct kunit *test)
{
	struct page *page = get_page_from(test, false);
	void *addr;
	int depth;

	NEEDS(test, !FORCED, "every page is mapped here");
	addr = kmap_local_page(page);
	depth = map_depth(current);
	kunmap_local(addr);
	KUNIT_EXPECT_PTR_EQ(test, addr, page_address(page));
	KUNIT_EXPECT_EQ(test, depth, 0);
	KUNIT_EXPECT_TRUE(test, readable(addr));
}

/* The debug option exists to find those who believe in direct addresses */
static void kmap_local_page_forced(struct kunit *test)
{
	struct page *page = get_page_from(test, false);
	bool good, local;
	void *addr;

	NEEDS(test, FORCED, "needs CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP");
	stamp(page_address(page), page, 3);
	addr = kmap_local_page(page);
	local = in_local_slots(addr);
	good = stamped(addr, page, 3);
	stamp(addr, page, 4);
	kunmap_local(addr);

	KUNIT_EXPECT_TRUE(test, local);
	KUNIT_EXPECT_PTR_NE(test, addr, page_address(page));
	KUNIT_EXPECT_TRUE(test, good);
	KUNIT_EXPECT_TRUE(test, stamped(page_address(page), page, 4));
}

static void kunmap_local_removes_mapping(struct kunit *test)
{
	struct page *page = get_page_from(test, true);
	unsigned int cpu;
	void *addr;
	bool held;

	NEEDS_MAPPING(test);
	for_each_online_cpu(cpu) {
		pin_to_cpu(test, cpu);
		addr = kmap_local_page(page);
		held = readable(addr);
		kunmap_local(addr);
		KUNIT_EXPECT_TRUE(test, held);
		KUNIT_EXPECT_TRUE(test, local_gone(addr));
	}
}

static void kunmap_local_takes_any_offset(struct kunit *test)
{
	static const unsigned int offset[] = { 0, 1, 100, PAGE_SIZE / 2, PAGE_SIZE - 1 };
	struct page *page = get_page_from(test, true);
	unsigned int i;

	NEEDS_MAPPING(test);
	pin_to_cpu(test, first_cpu());
	for (i = 0; i < ARRAY_SIZE(offset); i++) {
		char *addr = kmap_local_page(page);

		kunmap_local(addr + offset[i]);
		KUNIT_EXPECT_EQ(test, map_depth(current), 0);
		KUNIT_EXPECT_TRUE(test, local_gone(addr));
	}
}

/* One slot, many pages: each must be seen, and none of its predecessors */
static void kmap_local_page_reuses_slot(struct kunit *test)
{
	struct page_set *set = get_page_set(test, true, 64);
	unsigned int i, good = 0, again = 0;

	pin_to_cpu(test, first_cpu());
	for (i = 0; i < set->nr; i++)
		stamp_page(set->page[i], 5);
	for (i = 0; i < set->nr; i++)
		good += page_stamped(set->page[i], 5);
	/* Two pages in turn, and one page again and again */
	for (i = 0; i < set->nr; i++) {
		stamp_page(set->page[i & 1], 6 + i);
		again += page_stamped(set->page[i & 1], 6 + i);
		again += page_stamped(set->page[i & 1], 6 + i);
	}
	KUNIT_EXPECT_EQ(test, good, set->nr);
	KUNIT_EXPECT_EQ(test, again, 2 * set->nr);
}

/* Nest @nr mappings, a few times over; everything must be right at each depth */
static void check_nesting(struct kunit *test, unsigned int nr)
{
	struct page_set *set = get_page_set(test, true, nr);
	void **addr = kunit_kcalloc(test, nr, sizeof(*addr), GFP_KERNEL);
	unsigned int round, i, j, shared = 0, good = 0, gone = 0;
	int depth = -1;

	KUNIT_ASSERT_NOT_NULL(test, addr);
	pin_to_cpu(test, first_cpu());
	for (i = 0; i < nr; i++)
		stamp_page(set->page[i], nr);

	for (round = 0; round < 4; round++) {
		for (i = 0; i < nr; i++) {
			addr[i] = kmap_local_page(set->page[i]);
			for (j = 0; j < i; j++)
				shared += addr[i] == addr[j];
		}
		good += count_stamped(set, addr, nr, nr + round);
		for (i = 0; i < nr; i++)
			stamp(addr[i], set->page[i], nr + round + 1);
		good += count_stamped(set, addr, nr, nr + round + 1);
		unmap_all(addr, nr);
		depth = map_depth(current);
		if (depth)
			break;
	}
	KUNIT_ASSERT_EQ(test, depth, 0);
	KUNIT_EXPECT_EQ(test, shared, 0);
	KUNIT_EXPECT_EQ(test, good, 2 * 4 * nr);

	for (i = 0; i < nr; i++)
		gone += local_gone(addr[i]);
	KUNIT_EXPECT_EQ(test, gone, nr);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_TRUE(test, page_stamped(set->page[i], nr + 4));
}

static void kmap_local_page_nests_15_deep(struct kunit *test)
{
	check_nesting(test, 2);
	check_nesting(test, 15);
}

static void kmap_local_page_nests_16_deep(struct kunit *test)
{
	NEEDS_MAPPING(test);
	check_nesting(test, 16);
}

/* More than there are slots: to be told so, and to get by */
static void kmap_local_page_nests_24_deep(struct kunit *test)
{
	unsigned int i;

	NEEDS_MAPPING(test);
	provoke(test, "nested");
	/* More often than any reserve lasts that does not get its places back */
	for (i = 0; i < 3 && map_depth(current) == 0; i++)
		check_nesting(test, 24);
	provoked(test);
	if (map_depth(current) == 0)
		check_nesting(test, 15);
	expect_report(test, "nested");
}

static void kmap_local_page_prot_read_only(struct kunit *test)
{
	struct page *page = get_page_from(test, true);
	u32 word = 0x12345678;
	bool good, refused;
	void *addr;

	stamp_page(page, 7);
	addr = kmap_local_page_prot(page, PAGE_KERNEL_RO);
	good = stamped(addr, page, 7);
	refused = copy_to_kernel_nofault(addr, &word, sizeof(word));
	kunmap_local(addr);
	KUNIT_EXPECT_TRUE(test, good);
	if (CAN_MAP && IS_ENABLED(CONFIG_X86))
		KUNIT_EXPECT_TRUE(test, refused);

	addr = kmap_local_page_prot(page, USUAL_PROT);
	stamp(addr, page, 8);
	kunmap_local(addr);
	KUNIT_EXPECT_TRUE(test, page_stamped(page, 8));
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

static void kmap_local_pfn_shows_page(struct kunit *test)
{
	unsigned int high;

	for (high = 0; high < 2; high++) {
		struct page *page = get_page_from(test, high);
		void *view = get_view(test, &page, 1);
		bool good;
		void *addr;

		stamp(view, page, 9);
		addr = kmap_local_pfn(page_to_pfn(page));
		good = stamped(addr, page, 9);
		stamp(addr, page, 10);
		kunmap_local(addr);
		KUNIT_EXPECT_TRUE(test, good);
		KUNIT_EXPECT_TRUE(test, stamped(view, page, 10));
		KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	}
}

static void kmap_local_folio_at_offsets(struct kunit *test)
{
	static const unsigned int within[] = { 0, 1, 1000, PAGE_SIZE - 1 };
	struct folio *folio = get_folio(test, true, 3);
	struct page *pages[8];
	struct rnd_state rnd;
	unsigned int i, j;
	u8 *view;

	prandom_seed_state(&rnd, 22);
	for (i = 0; i < 8; i++)
		pages[i] = folio_page(folio, i);
	view = get_view(test, pages, 8);
	prandom_bytes_state(&rnd, view, folio_size(folio));

	for (i = 0; i < 8; i++) {
		for (j = 0; j < ARRAY_SIZE(within); j++) {
			size_t offset = i * PAGE_SIZE + within[j];
			u8 *addr = kmap_local_folio(folio, offset);
			bool good = !memcmp(addr, view + offset, PAGE_SIZE - within[j]);

			kunmap_local(addr);
			KUNIT_EXPECT_EQ(test, offset_in_page(addr), within[j]);
			KUNIT_EXPECT_TRUE(test, good);
			KUNIT_EXPECT_EQ(test, map_depth(current), 0);
		}
	}
}

/* What kmap_atomic*() and kunmap_atomic() do to the context */
struct atomic_view {
	int preempt;
	bool pagefaults_off;
	bool good;
};

static struct atomic_view see_atomic(const void *addr, struct page *page, u32 salt)
{
	return (struct atomic_view) {
		.preempt = preempt_count(),
		.pagefaults_off = pagefault_disabled(),
		.good = stamped(addr, page, salt),
	};
}

static void expect_atomic(struct kunit *test, struct atomic_view inside, int before)
{
	KUNIT_EXPECT_TRUE(test, inside.pagefaults_off);
	KUNIT_EXPECT_TRUE(test, inside.good);
	if (IS_ENABLED(CONFIG_PREEMPT_COUNT) && !IS_ENABLED(CONFIG_PREEMPT_RT))
		KUNIT_EXPECT_GT(test, inside.preempt, before);
	KUNIT_EXPECT_EQ(test, preempt_count(), before);
	KUNIT_EXPECT_FALSE(test, pagefault_disabled());
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

static void kmap_atomic_context(struct kunit *test)
{
	int before = preempt_count();
	struct atomic_view inside;
	unsigned int high;
	void *addr;

	for (high = 0; high < 2; high++) {
		struct page *page = get_page_from(test, high);

		stamp_page(page, 11);
		addr = kmap_atomic(page);
		inside = see_atomic(addr, page, 11);
		stamp(addr, page, 12);
		kunmap_atomic(addr);
		expect_atomic(test, inside, before);
		KUNIT_EXPECT_TRUE(test, page_stamped(page, 12));
	}
}

static void kmap_atomic_prot_context(struct kunit *test)
{
	struct page *page = get_page_from(test, true);
	int before = preempt_count();
	struct atomic_view inside;
	u32 word = 0x12345678;
	bool refused;
	void *addr;

	stamp_page(page, 13);
	addr = kmap_atomic_prot(page, PAGE_KERNEL_RO);
	inside = see_atomic(addr, page, 13);
	refused = copy_to_kernel_nofault(addr, &word, sizeof(word));
	kunmap_atomic(addr);
	expect_atomic(test, inside, before);
	if (CAN_MAP && IS_ENABLED(CONFIG_X86))
		KUNIT_EXPECT_TRUE(test, refused);
}

static void kmap_atomic_pfn_context(struct kunit *test)
{
	struct page *page = get_page_from(test, true);
	int before = preempt_count();
	struct atomic_view inside;
	void *addr;

	stamp_page(page, 14);
	addr = kmap_atomic_pfn(page_to_pfn(page));
	inside = see_atomic(addr, page, 14);
	kunmap_atomic(addr + PAGE_SIZE - 1);
	expect_atomic(test, inside, before);
}

static void kmap_atomic_within_local(struct kunit *test)
{
	struct page_set *set = get_page_set(test, true, 4);
	struct atomic_view inside[2];
	int before = preempt_count();
	unsigned int good, i;
	void *addr[4];

	for (i = 0; i < 4; i++)
		stamp_page(set->page[i], 15);
	addr[0] = kmap_local_page(set->page[0]);
	addr[1] = kmap_atomic(set->page[1]);
	addr[2] = kmap_local_page(set->page[2]);
	addr[3] = kmap_atomic(set->page[3]);
	good = count_stamped(set, addr, 4, 15);
	kunmap_atomic(addr[3]);
	kunmap_local(addr[2]);
	inside[0] = see_atomic(addr[1], set->page[1], 15);
	kunmap_atomic(addr[1]);
	inside[1] = see_atomic(addr[0], set->page[0], 15);
	kunmap_local(addr[0]);

	KUNIT_EXPECT_EQ(test, good, 4);
	KUNIT_EXPECT_FALSE(test, inside[1].pagefaults_off);
	KUNIT_EXPECT_TRUE(test, inside[1].good);
	KUNIT_EXPECT_EQ(test, inside[1].preempt, before);
	expect_atomic(test, inside[0], before);
}

/*
 * Pages of low memory through the slots, as drivers map device memory. This
 * works without high memory too, where kmap_local_page() has no use for it.
 */
static void kmap_local_pfn_prot_reuses_slot(struct kunit *test)
{
#ifdef CONFIG_KMAP_LOCAL
	struct page_set *set = get_page_set(test, false, 16);
	unsigned int i, wrong = 0, missed = 0;

	pin_to_cpu(test, first_cpu());
	for (i = 0; i < set->nr; i++)
		stamp(page_address(set->page[i]), set->page[i], 16);
	for (i = 0; i < set->nr; i++) {
		struct page *page = set->page[i];
		void *addr = __kmap_local_pfn_prot(page_to_pfn(page), PAGE_KERNEL);

		wrong += !stamped(addr, page, 16);
		stamp(addr, page, 17);
		kunmap_local_indexed(addr);
		missed += !stamped(page_address(page), page, 17);
		KUNIT_EXPECT_TRUE(test, in_local_slots(addr));
		KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	}
	KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "another page's data was read");
	KUNIT_EXPECT_EQ_MSG(test, missed, 0, "another page was written to");
#else
	kunit_skip(test, "needs CONFIG_KMAP_LOCAL");
#endif
}

#ifdef CONFIG_HAVE_ATOMIC_IOMAP
/* The firmware's image below 1 MB: a PC always has it, and it never changes */
#define FIRMWARE_BASE	0xf0000UL
#define FIRMWARE_SIZE	0x10000UL

static void release_io_mapping(void *mapping)
{
	io_mapping_free(mapping);
}
#endif

static void io_mapping_map_local_wc_shows_device(struct kunit *test)
{
#ifdef CONFIG_HAVE_ATOMIC_IOMAP
	const u8 *direct = __va(FIRMWARE_BASE);
	struct io_mapping *mapping;
	unsigned int differ = 0;
	unsigned long offset;

	pin_to_cpu(test, first_cpu());
	mapping = io_mapping_create_wc(FIRMWARE_BASE, FIRMWARE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, mapping);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_io_mapping, mapping), 0);

	for (offset = 0; offset < FIRMWARE_SIZE; offset += PAGE_SIZE) {
		void __iomem *addr = io_mapping_map_local_wc(mapping, offset);
		bool good = !memcmp((const void __force *)addr, direct + offset, PAGE_SIZE);

		io_mapping_unmap_local(addr);
		KUNIT_EXPECT_TRUE_MSG(test, good, "wrong page at %#lx", offset);
		KUNIT_EXPECT_EQ(test, map_depth(current), 0);
		differ += offset && memcmp(direct, direct + offset, PAGE_SIZE);
	}
	if (!differ)
		kunit_mark_skipped(test, "the firmware's pages are all alike");
#else
	kunit_skip(test, "needs CONFIG_HAVE_ATOMIC_IOMAP");
#endif
}

/* With the debug option each mapping lies between two holes */
static void kmap_local_page_has_guards(struct kunit *test)
{
	struct page_set *set = get_page_set(test, true, 3);
	unsigned int i, open = 0;
	void *addr[3];

	NEEDS_MAPPING(test);
	NEEDS(test, IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL), "needs CONFIG_DEBUG_KMAP_LOCAL");
	pin_to_cpu(test, first_cpu());
	map_all(set, addr, 3);
	for (i = 0; i < 3; i++) {
		open += readable(addr[i] + PAGE_SIZE);
		open += readable(addr[i] - sizeof(u32));
	}
	unmap_all(addr, 3);
	KUNIT_EXPECT_EQ(test, open, 0);
}

/* ------------------------------------ highmem_local: tasks, CPUs and interrupts */

/*
 * Two threads on one CPU, each with mappings at the same depths. Either they
 * hand the turn to and fro, or the scheduler takes the CPU from one in the
 * midst of its work. Both find their slots after the other one used them.
 */
#define DUET_MAPS	5
#define DUET_ROUNDS	1000

struct duet {
	struct page_set *set[2];
	struct completion turn[2];
	atomic_t sides;
	bool busy;
	unsigned int bad[2];
	unsigned int played[2];
	unsigned long switches[2];
};

static void play_duet(struct worker *worker)
{
	struct duet *duet = worker->data;
	unsigned int me = atomic_inc_return(&duet->sides) - 1;
	unsigned long end = jiffies + HZ / 2;
	struct page_set *set = duet->set[me];
	unsigned int i, round = 0;
	void *addr[DUET_MAPS];

	map_all(set, addr, DUET_MAPS);
	for (i = 0; i < DUET_MAPS; i++)
		stamp(addr[i], set->page[i], 0);
	while (duet->busy ? time_before(jiffies, end) : round < DUET_ROUNDS) {
		if (worker_stopped(worker))
			break;
		if (duet->busy) {
			cond_resched();
		} else {
			complete(&duet->turn[!me]);
			if (!wait_for_completion_timeout(&duet->turn[me], PATIENCE / 2))
				break;
		}
		duet->bad[me] += count_stamped(set, addr, DUET_MAPS, round) != DUET_MAPS;
		round++;
		for (i = 0; i < DUET_MAPS; i++)
			stamp(addr[i], set->page[i], round);
	}
	unmap_all(addr, DUET_MAPS);
	duet->played[me] = round;
	duet->switches[me] = current->nvcsw + current->nivcsw;
	complete(&duet->turn[!me]);
}

static void check_duet(struct kunit *test, unsigned int cpu, bool busy)
{
	struct duet *duet = kunit_kzalloc(test, sizeof(*duet), GFP_KERNEL);
	struct worker *worker[2];
	unsigned int i, j, good;

	KUNIT_ASSERT_NOT_NULL(test, duet);
	duet->busy = busy;
	for (i = 0; i < 2; i++) {
		duet->set[i] = get_page_set(test, true, DUET_MAPS);
		init_completion(&duet->turn[i]);
	}
	for (i = 0; i < 2; i++)
		worker[i] = start_worker(test, cpu, play_duet, duet);
	for (i = 0; i < 2; i++)
		join_worker(test, worker[i]);

	for (i = 0; i < 2; i++) {
		kunit_info(test, "%u rounds, %lu switches\n",
			   duet->played[i], duet->switches[i]);
		KUNIT_EXPECT_EQ(test, duet->bad[i], 0);
		KUNIT_EXPECT_GE(test, duet->played[i], busy ? 10 : DUET_ROUNDS);
		KUNIT_EXPECT_GT(test, duet->switches[i], busy ? 3 : DUET_ROUNDS / 3);
		for (j = 0, good = 0; j < DUET_MAPS; j++)
			good += page_stamped(duet->set[i]->page[j], duet->played[i]);
		KUNIT_EXPECT_EQ(test, good, DUET_MAPS);
	}
}

static void kmap_local_page_survives_sleep(struct kunit *test)
{
	check_duet(test, first_cpu(), false);
}

static void kmap_local_page_survives_preemption(struct kunit *test)
{
	check_duet(test, num_online_cpus() > 1 ? second_cpu() : first_cpu(), true);
}

#ifdef CONFIG_SMP
struct mover {
	struct task_struct *task;
	unsigned int cpu;
	int error;
};

static void move_task(struct worker *worker)
{
	struct mover *mover = worker->data;

	mover->error = set_cpus_allowed_ptr(mover->task, cpumask_of(mover->cpu));
}
#endif

/* While a page is mapped its task cannot be moved away from the mapping */
static void kmap_local_page_stays_on_cpu(struct kunit *test)
{
#ifdef CONFIG_SMP
	struct mover *mover = kunit_kzalloc(test, sizeof(*mover), GFP_KERNEL);
	struct page_set *set = get_page_set(test, true, 2);
	unsigned int i, strayed = 0, good = 0, pinned;
	struct worker *worker;
	bool early = false;
	void *addr[2];

	NEEDS_MAPPING(test);
	NEEDS_TWO_CPUS(test);
	KUNIT_ASSERT_NOT_NULL(test, mover);
	for (i = 0; i < 2; i++)
		stamp_page(set->page[i], 18);
	pin_to_cpu(test, first_cpu());
	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpu_online_mask), 0);
	KUNIT_ASSERT_EQ(test, current->migration_disabled, 0);
	mover->task = current;

	/* A failed assertion in here unmaps nothing, but ends the task */
	map_all(set, addr, 2);
	kunmap_local(addr[1]);
	pinned = current->migration_disabled;
	mover->cpu = raw_smp_processor_id() == first_cpu() ? second_cpu() : first_cpu();
	worker = start_worker(test, mover->cpu, move_task, mover);
	for (i = 0; i < 50; i++) {
		usleep_range(2000, 4000);
		good += stamped(addr[0], set->page[0], 18);
		strayed += raw_smp_processor_id() == mover->cpu;
		early |= completion_done(&worker->done);
	}
	kunmap_local(addr[0]);

	join_worker(test, worker);
	KUNIT_EXPECT_EQ(test, mover->error, 0);
	KUNIT_EXPECT_GT(test, pinned, 0);
	KUNIT_EXPECT_EQ(test, strayed, 0);
	KUNIT_EXPECT_EQ(test, good, 50);
	KUNIT_EXPECT_FALSE(test, early);
	KUNIT_EXPECT_EQ(test, current->migration_disabled, 0);
	KUNIT_EXPECT_EQ(test, raw_smp_processor_id(), mover->cpu);
#else
	kunit_skip(test, "needs CONFIG_SMP");
#endif
}

#define INTRUSION_NS	(300 * NSEC_PER_USEC)

/* Something that interrupts the task, maps pages on top of its own, and goes */
struct intruder {
	struct hrtimer hrtimer;
	struct irq_work irq_work;
	struct timer_list timer;
	struct page_set *set;
	u32 salt;
	unsigned int visits;
	unsigned int over_maps;
	unsigned int bad;
	bool stop;
};

static void intrude(struct intruder *intruder)
{
	struct page_set *set = intruder->set;
	void *addr[2];

	intruder->over_maps += map_depth(current) > 0;
	map_all(set, addr, 2);
	if (count_stamped(set, addr, 2, intruder->salt) != 2)
		intruder->bad++;
	intruder->salt++;
	stamp(addr[0], set->page[0], intruder->salt);
	stamp(addr[1], set->page[1], intruder->salt);
	unmap_all(addr, 2);
	intruder->visits++;
}

static enum hrtimer_restart intrude_by_hrtimer(struct hrtimer *hrtimer)
{
	struct intruder *intruder = container_of(hrtimer, struct intruder, hrtimer);

	intrude(intruder);
	hrtimer_forward_now(hrtimer, ns_to_ktime(INTRUSION_NS));
	return HRTIMER_RESTART;
}

static void intrude_by_irq_work(struct irq_work *irq_work)
{
	intrude(container_of(irq_work, struct intruder, irq_work));
}

static void intrude_by_timer(struct timer_list *timer)
{
	struct intruder *intruder = from_timer(intruder, timer, timer);

	intrude(intruder);
	if (!READ_ONCE(intruder->stop))
		mod_timer(timer, jiffies + 1);
}

static void stop_hrtimer(void *hrtimer)
{
	hrtimer_cancel(hrtimer);
}

static void stop_timer(void *timer)
{
	timer_shutdown_sync(timer);
}

static void stop_irq_work(void *irq_work)
{
	irq_work_sync(irq_work);
}

static struct intruder *get_intruder(struct kunit *test)
{
	struct intruder *intruder = kunit_kzalloc(test, sizeof(*intruder), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, intruder);
	intruder->set = get_page_set(test, true, 2);
	stamp_page(intruder->set->page[0], 0);
	stamp_page(intruder->set->page[1], 0);
	return intruder;
}

/* Map, check and unmap for a while, now more and now fewer pages at a time */
static void work_under(struct kunit *test, struct intruder *intruder,
		       void (*poke)(struct intruder *intruder))
{
	struct page_set *set = get_page_set(test, true, 6);
	unsigned int i, nr = 0, rounds = 0, bad = 0;
	unsigned long end = jiffies + HZ;
	void *addr[6];

	while (time_before(jiffies, end)) {
		nr = 1 + rounds++ % set->nr;
		for (i = 0; i < nr; i++) {
			addr[i] = kmap_local_page(set->page[i]);
			stamp(addr[i], set->page[i], rounds);
		}
		if (poke)
			poke(intruder);
		bad += count_stamped(set, addr, nr, rounds) != nr;
		unmap_all(addr, nr);
		cond_resched();
	}
	kunit_info(test, "%u rounds, %u interruptions, %u of them over mappings\n",
		   rounds, intruder->visits, intruder->over_maps);
	KUNIT_EXPECT_EQ(test, bad, 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

static void expect_intruded(struct kunit *test, struct intruder *intruder)
{
	KUNIT_EXPECT_EQ(test, intruder->bad, 0);
	KUNIT_EXPECT_GT(test, intruder->visits, 10);
	if (CAN_MAP)
		KUNIT_EXPECT_GT(test, intruder->over_maps, 0);
	KUNIT_EXPECT_TRUE(test, page_stamped(intruder->set->page[0], intruder->salt));
	KUNIT_EXPECT_TRUE(test, page_stamped(intruder->set->page[1], intruder->salt));
}

static void kmap_local_page_in_hrtimer(struct kunit *test)
{
	struct intruder *intruder = get_intruder(test);

	pin_to_cpu(test, first_cpu());
	hrtimer_init(&intruder->hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	intruder->hrtimer.function = intrude_by_hrtimer;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_hrtimer,
							&intruder->hrtimer), 0);
	hrtimer_start(&intruder->hrtimer, ns_to_ktime(INTRUSION_NS), HRTIMER_MODE_REL_PINNED_HARD);
	work_under(test, intruder, NULL);
	kunit_release_action(test, stop_hrtimer, &intruder->hrtimer);
	expect_intruded(test, intruder);
}

static void raise_irq_work(struct intruder *intruder)
{
	irq_work_queue(&intruder->irq_work);
}

static void kmap_local_page_in_irq_work(struct kunit *test)
{
	struct intruder *intruder = get_intruder(test);

	pin_to_cpu(test, first_cpu());
	intruder->irq_work = IRQ_WORK_INIT_HARD(intrude_by_irq_work);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_irq_work,
							&intruder->irq_work), 0);
	work_under(test, intruder, raise_irq_work);
	kunit_release_action(test, stop_irq_work, &intruder->irq_work);
	expect_intruded(test, intruder);
}

static void kmap_local_page_in_softirq(struct kunit *test)
{
	struct intruder *intruder = get_intruder(test);

	pin_to_cpu(test, first_cpu());
	timer_setup(&intruder->timer, intrude_by_timer, TIMER_PINNED);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_timer,
							&intruder->timer), 0);
	mod_timer(&intruder->timer, jiffies + 1);
	work_under(test, intruder, NULL);
	WRITE_ONCE(intruder->stop, true);
	kunit_release_action(test, stop_timer, &intruder->timer);
	expect_intruded(test, intruder);
}

/* ------------------------------------------------- highmem_local: misuse */

static void kmap_local_fork_drops_mappings(struct kunit *test)
{
#ifdef CONFIG_KMAP_LOCAL
	struct task_struct *child = kunit_kzalloc(test, sizeof(*child), GFP_KERNEL);
	struct page *page = get_page_from(test, true);

	KUNIT_ASSERT_NOT_NULL(test, child);
	kmap_local_fork(child);
	KUNIT_EXPECT_EQ(test, child->kmap_ctrl.idx, 0);

	child->kmap_ctrl.idx = 2;
	child->kmap_ctrl.pteval[0] = mk_pte(page, PAGE_KERNEL);
	child->kmap_ctrl.pteval[1] = mk_pte(page, PAGE_KERNEL);
	provoke(test, "WARNING: ");
	kmap_local_fork(child);
	provoked(test);
	KUNIT_EXPECT_EQ(test, child->kmap_ctrl.idx, 0);
	KUNIT_EXPECT_TRUE(test, pte_none(child->kmap_ctrl.pteval[0]));
	KUNIT_EXPECT_TRUE(test, pte_none(child->kmap_ctrl.pteval[1]));
	expect_report(test, "WARNING: ");
#else
	kunit_skip(test, "needs CONFIG_KMAP_LOCAL");
#endif
}

/* Unmapped first what was mapped first: both go, and what lies below stays */
static void kunmap_local_out_of_order(struct kunit *test)
{
	struct page_set *set = get_page_set(test, true, 3);
	bool kept, gone[2];
	unsigned int i;
	void *addr[3];
	int depth;

	NEEDS_MAPPING(test);
	guard_against_stale_tlb(test);
	pin_to_cpu(test, first_cpu());
	for (i = 0; i < 3; i++)
		stamp_page(set->page[i], 19);
	provoke(test, "out of order");

	addr[0] = kmap_local_page(set->page[0]);
	depth = map_depth(current);
	addr[1] = kmap_local_page(set->page[1]);
	addr[2] = kmap_local_page(set->page[2]);
	kunmap_local(addr[1]);
	kunmap_local(addr[2]);
	depth = map_depth(current) - depth;
	kept = stamped_nofault(addr[0], set->page[0], 19);
	gone[0] = local_gone(addr[1]);
	gone[1] = local_gone(addr[2]);
	kunmap_local(addr[0]);

	provoked(test);
	KUNIT_EXPECT_EQ(test, depth, 0);
	KUNIT_EXPECT_TRUE(test, kept);
	KUNIT_EXPECT_TRUE(test, gone[0]);
	KUNIT_EXPECT_TRUE(test, gone[1]);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_TRUE(test, page_stamped(set->page[i], 19));
	expect_report(test, "out of order");
}

static void kunmap_local_of_user_address(struct kunit *test)
{
	struct page *page = get_page_from(test, true);
	int held, depth;
	void *addr;
	bool kept;

	NEEDS_MAPPING(test);
	pin_to_cpu(test, first_cpu());
	stamp_page(page, 20);
	provoke(test, "kunmap_local() of address");
	addr = kmap_local_page(page);
	held = map_depth(current);
	kunmap_local((void *)(16 * PAGE_SIZE));
	depth = map_depth(current);
	kept = stamped_nofault(addr, page, 20);
	kunmap_local(addr);
	provoked(test);

	KUNIT_EXPECT_EQ(test, depth, held);
	KUNIT_EXPECT_TRUE(test, kept);
	expect_report(test, "kunmap_local() of address");
}

/* The second time there is nothing to unmap there: nothing else may go instead */
static void kunmap_local_twice(struct kunit *test)
{
	struct page_set *set = get_page_set(test, true, 2);
	int held, depth;
	void *addr[2];
	bool kept;

	NEEDS_MAPPING(test);
	guard_against_stale_tlb(test);
	pin_to_cpu(test, first_cpu());
	stamp_page(set->page[0], 21);
	provoke(test, "kunmap_local() of address");
	addr[0] = kmap_local_page(set->page[0]);
	held = map_depth(current);
	addr[1] = kmap_local_page(set->page[1]);
	kunmap_local(addr[1]);
	kunmap_local(addr[1]);
	depth = map_depth(current);
	kept = stamped_nofault(addr[0], set->page[0], 21);
	/* Where the wrong mapping went this would kill the thread */
	if (depth == held)
		kunmap_local(addr[0]);
	provoked(test);

	KUNIT_EXPECT_EQ(test, depth, held);
	KUNIT_EXPECT_TRUE(test, kept);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	expect_report(test, "kunmap_local() of address");
}

static struct kunit_case highmem_local_cases[] = {
	KUNIT_CASE(kmap_local_page_round_trip),
	KUNIT_CASE(kmap_local_page_of_low_page),
	KUNIT_CASE(kmap_local_page_forced),
	KUNIT_CASE(kunmap_local_removes_mapping),
	KUNIT_CASE(kunmap_local_takes_any_offset),
	KUNIT_CASE(kmap_local_page_reuses_slot),
	KUNIT_CASE(kmap_local_page_nests_15_deep),
	KUNIT_CASE(kmap_local_page_prot_read_only),
	KUNIT_CASE(kmap_local_pfn_shows_page),
	KUNIT_CASE(kmap_local_folio_at_offsets),
	KUNIT_CASE(kmap_atomic_context),
	KUNIT_CASE(kmap_atomic_prot_context),
	KUNIT_CASE(kmap_atomic_pfn_context),
	KUNIT_CASE(kmap_atomic_within_local),
	KUNIT_CASE(kmap_local_pfn_prot_reuses_slot),
	KUNIT_CASE(io_mapping_map_local_wc_shows_device),
	KUNIT_CASE(kmap_local_page_has_guards),
	KUNIT_CASE(kmap_local_page_survives_sleep),
	KUNIT_CASE(kmap_local_page_survives_preemption),
	KUNIT_CASE(kmap_local_page_stays_on_cpu),
	KUNIT_CASE_SLOW(kmap_local_page_in_hrtimer),
	KUNIT_CASE_SLOW(kmap_local_page_in_irq_work),
	KUNIT_CASE_SLOW(kmap_local_page_in_softirq),
	KUNIT_CASE(kmap_local_fork_drops_mappings),
	KUNIT_CASE(kunmap_local_of_user_address),
	KUNIT_CASE(kunmap_local_out_of_order),
	KUNIT_CASE(kunmap_local_twice),
	KUNIT_CASE(kmap_local_page_nests_16_deep),
	KUNIT_CASE(kmap_local_page_nests_24_deep),
	{}
};

static struct kunit_suite highmem_local_suite = {
	.name = "highmem_local",
	.init = remember_task,
	.exit = check_task,
	.test_cases = highmem_local_cases,
};

/* -------------------------------------------------- highmem_pool: map and unmap */

static void kmap_round_trip(struct kunit *test)
{
	unsigned int high;

	for (high = 0; high < 2; high++) {
		struct page *page = get_page_from(test, high);
		void *view = get_view(test, &page, 1);
		void *addr;

		stamp(view, page, 30);
		addr = hold_kmap(test, page);
		KUNIT_EXPECT_TRUE(test, stamped(addr, page, 30));
		stamp(addr, page, 31);
		KUNIT_EXPECT_PTR_EQ(test, page_address(page), addr);
		drop_kmap(test, page);
		KUNIT_EXPECT_TRUE(test, stamped(view, page, 31));
		KUNIT_EXPECT_EQ(test, offset_in_page(addr), 0);
	}
}

static void kmap_of_low_page(struct kunit *test)
{
	struct page *page = get_page_from(test, false);
	void *addr = hold_kmap(test, page);

	KUNIT_EXPECT_PTR_EQ(test, addr, page_address(page));
	KUNIT_EXPECT_PTR_EQ(test, addr, __va(PFN_PHYS(page_to_pfn(page))));
	drop_kmap(test, page);
	KUNIT_EXPECT_TRUE(test, readable(addr));
}

/* Mapped is mapped until everybody has let go of it */
static void kmap_of_mapped_page(struct kunit *test)
{
	struct page *page = get_page_from(test, true);
	unsigned int i;
	void *addr;

	NEEDS_HIGHMEM(test);
	addr = hold_kmap(test, page);
	stamp(addr, page, 32);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_PTR_EQ(test, hold_kmap(test, page), addr);
	for (i = 0; i < 3; i++) {
		drop_kmap(test, page);
		kmap_flush_unused();
		KUNIT_EXPECT_PTR_EQ(test, page_address(page), addr);
		KUNIT_EXPECT_TRUE(test, stamped_nofault(addr, page, 32));
	}
	drop_kmap(test, page);
	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(page));
	KUNIT_EXPECT_FALSE(test, readable(addr));
}

struct loan {
	struct page *page;
	void *addr;
	bool good;
	int error;
};

static void use_loan(struct worker *worker)
{
	struct loan *loan = worker->data;

	loan->good = stamped(loan->addr, loan->page, 33);
	stamp(loan->addr, loan->page, 34);
}

static void kmap_is_seen_by_all(struct kunit *test)
{
	struct loan *loan = kunit_kzalloc(test, sizeof(*loan), GFP_KERNEL);
	unsigned int cpu, salt = 33;

	KUNIT_ASSERT_NOT_NULL(test, loan);
	loan->page = get_page_from(test, true);
	loan->addr = hold_kmap(test, loan->page);
	for_each_online_cpu(cpu) {
		stamp(loan->addr, loan->page, salt);
		join_worker(test, start_worker(test, cpu, use_loan, loan));
		KUNIT_EXPECT_TRUE(test, loan->good);
		KUNIT_EXPECT_TRUE(test, stamped(loan->addr, loan->page, 34));
	}
}

/* Other CPUs must lose an idle mapping as well, from their TLBs too */
static void read_loan(struct worker *worker)
{
	struct loan *loan = worker->data;

	loan->good = readable(loan->addr);
}

static void kmap_flush_unused_removes_idle(struct kunit *test)
{
	struct loan *loan = kunit_kzalloc(test, sizeof(*loan), GFP_KERNEL);
	struct page *idle = get_page_from(test, true);
	struct page *held = get_page_from(test, true);
	void *held_addr;
	unsigned int cpu;

	NEEDS_HIGHMEM(test);
	KUNIT_ASSERT_NOT_NULL(test, loan);
	held_addr = hold_kmap(test, held);
	stamp(held_addr, held, 35);
	loan->page = idle;
	loan->addr = hold_kmap(test, idle);
	KUNIT_EXPECT_PTR_NE(test, loan->addr, held_addr);
	for_each_online_cpu(cpu) {
		join_worker(test, start_worker(test, cpu, read_loan, loan));
		KUNIT_EXPECT_TRUE(test, loan->good);
	}
	drop_kmap(test, idle);

	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(idle));
	for_each_online_cpu(cpu) {
		join_worker(test, start_worker(test, cpu, read_loan, loan));
		KUNIT_EXPECT_FALSE(test, loan->good);
	}
	KUNIT_EXPECT_PTR_EQ(test, page_address(held), held_addr);
	KUNIT_EXPECT_TRUE(test, stamped_nofault(held_addr, held, 35));
}

static void kmap_to_page_of_pool_address(struct kunit *test)
{
	struct page *page, *start, *end;
	void *addr;

	NEEDS_HIGHMEM(test);
	page = get_page_from(test, true);
	addr = hold_kmap(test, page);
	/* Works, but tells the caller once that he should not need it */
	provoke(test, "kmap_to_page");
	start = kmap_to_page(addr);
	end = kmap_to_page(addr + PAGE_SIZE - 1);
	provoked(test);
	KUNIT_EXPECT_PTR_EQ(test, start, page);
	KUNIT_EXPECT_PTR_EQ(test, end, page);
	if (IS_ENABLED(CONFIG_KALLSYMS))
		expect_report(test, "kmap_to_page");
}

/* Count how many of the nested mappings from @first on give their page back */
static void check_local_to_page(struct kunit *test, unsigned int first, unsigned int nr)
{
	struct page_set *set = get_page_set(test, true, nr);
	unsigned int i, good = 0;
	void *addr[15];

	/* Slots are per CPU, and those of CPU 0 begin where all slots begin */
	pin_to_cpu(test, 0);
	provoke(test, "kmap_to_page");
	map_all(set, addr, nr);
	for (i = first; i < nr; i++) {
		good += kmap_to_page(addr[i]) == set->page[i];
		good += kmap_to_page(addr[i] + PAGE_SIZE - 1) == set->page[i];
	}
	unmap_all(addr, nr);
	provoked(test);
	KUNIT_EXPECT_EQ(test, good, 2 * (nr - first));
}

static void kmap_to_page_of_local_address(struct kunit *test)
{
	NEEDS_MAPPING(test);
	check_local_to_page(test, 1, 15);
}

static void kmap_to_page_of_first_local_slot(struct kunit *test)
{
	NEEDS_MAPPING(test);
	check_local_to_page(test, 0, 1);
}

static void is_kmap_addr_in_pool(struct kunit *test)
{
#ifdef CONFIG_HIGHMEM
	struct page *page = get_page_from(test, true);
	void *addr = hold_kmap(test, page);
	unsigned int i;

	KUNIT_EXPECT_TRUE(test, is_kmap_addr(addr));
	KUNIT_EXPECT_TRUE(test, is_kmap_addr(addr + PAGE_SIZE - 1));
	for (i = 0; i < LAST_PKMAP; i++)
		KUNIT_EXPECT_TRUE(test, is_kmap_addr((void *)PKMAP_ADDR(i)));
	addr = (void *)PKMAP_ADDR(LAST_PKMAP);
	KUNIT_EXPECT_TRUE(test, is_kmap_addr(addr - 1));
	KUNIT_EXPECT_FALSE(test, is_kmap_addr(addr) && !in_local_slots(addr));
	addr = (void *)PKMAP_ADDR(0) - 1;
	KUNIT_EXPECT_FALSE(test, is_kmap_addr(addr) && !in_local_slots(addr));
#else
	kunit_skip(test, "needs CONFIG_HIGHMEM");
#endif
}

static void is_kmap_addr_of_other_memory(struct kunit *test)
{
	struct page *page = get_page_from(test, false);
	void *view = get_view(test, &page, 1);
	void *addr = hold_kmap(test, page);

	KUNIT_EXPECT_FALSE(test, is_kmap_addr(addr));
	KUNIT_EXPECT_FALSE(test, is_kmap_addr(view));
	KUNIT_EXPECT_FALSE(test, is_kmap_addr(&pool_victim));
	KUNIT_EXPECT_FALSE(test, is_kmap_addr(is_kmap_addr_of_other_memory));
	KUNIT_EXPECT_FALSE(test, is_kmap_addr(NULL));
}

static void is_kmap_addr_in_local_slots(struct kunit *test)
{
#if defined(CONFIG_HIGHMEM) && defined(CONFIG_KMAP_LOCAL)
	unsigned long addr;
	unsigned int slot, missed = 0;

	for (slot = FIX_KMAP_BEGIN + 1; slot <= FIX_KMAP_END; slot++) {
		addr = __fix_to_virt(slot);
		missed += !is_kmap_addr((void *)addr);
		missed += !is_kmap_addr((void *)(addr + PAGE_SIZE - 1));
	}
	KUNIT_EXPECT_EQ(test, missed, 0);
	KUNIT_EXPECT_FALSE(test, is_kmap_addr((void *)(__fix_to_virt(FIX_KMAP_END) - 1)));
	addr = __fix_to_virt(FIX_KMAP_BEGIN) + PAGE_SIZE;
	KUNIT_EXPECT_FALSE(test, is_kmap_addr((void *)addr));
#else
	kunit_skip(test, "needs CONFIG_HIGHMEM");
#endif
}

/* The one at the highest address, where a wrong bound is easily written */
static void is_kmap_addr_in_first_local_slot(struct kunit *test)
{
#if defined(CONFIG_HIGHMEM) && defined(CONFIG_KMAP_LOCAL)
	struct page *page = get_page_from(test, true);
	unsigned long addr = __fix_to_virt(FIX_KMAP_BEGIN);
	void *mapped;
	bool found;

	KUNIT_EXPECT_TRUE(test, is_kmap_addr((void *)addr));
	KUNIT_EXPECT_TRUE(test, is_kmap_addr((void *)(addr + PAGE_SIZE - 1)));

	pin_to_cpu(test, 0);
	mapped = kmap_local_page(page);
	found = is_kmap_addr(mapped);
	kunmap_local(mapped);
	KUNIT_EXPECT_TRUE(test, found);
#else
	kunit_skip(test, "needs CONFIG_HIGHMEM");
#endif
}

/* ----------------------------------------- highmem_pool: more pages than slots */

#ifdef CONFIG_HIGHMEM
#define NR_HELD		16

/* Three times through the pool, with some pages held all the while */
static void kmap_streaming(struct kunit *test)
{
	struct page_set *held = get_page_set(test, true, NR_HELD);
	struct page_set *set = get_page_set(test, true, 3 * LAST_PKMAP);
	unsigned int i, j, good = 0, kept = 0, local = 0;
	void *held_addr[NR_HELD];

	for (i = 0; i < NR_HELD; i++) {
		held_addr[i] = hold_kmap(test, held->page[i]);
		stamp(held_addr[i], held->page[i], 36);
	}
	for (i = 0; i < set->nr; i++) {
		stamp(kmap(set->page[i]), set->page[i], 37);
		kunmap(set->page[i]);
		j = i % NR_HELD;
		kept += page_address(held->page[j]) == held_addr[j] &&
			stamped_nofault(held_addr[j], held->page[j], 36);
	}
	for (i = 0; i < set->nr; i++) {
		good += stamped(kmap(set->page[i]), set->page[i], 37);
		kunmap(set->page[i]);
	}
	/* And through mappings of another kind */
	for (i = 0; i < set->nr; i++)
		local += page_stamped(set->page[i], 37);

	KUNIT_EXPECT_EQ(test, kept, set->nr);
	KUNIT_EXPECT_EQ(test, good, set->nr);
	KUNIT_EXPECT_EQ(test, local, set->nr);
	for (i = 0; i < NR_HELD; i++)
		KUNIT_EXPECT_PTR_EQ(test, kmap(held->page[i]), held_addr[i]);
	for (i = 0; i < NR_HELD; i++)
		kunmap(held->page[i]);
}

/*
 * Two CPUs look at each mapping, twice around the pool. If one of them kept a
 * translation from the first time it reads, or writes, some other page now.
 */
#define NR_BATCH	64

struct relay {
	struct page_set *set;
	void *addr[NR_BATCH];
	unsigned int first;
	unsigned int bad;
	struct completion go;
	struct completion done;
};

static void look_at_batches(struct worker *worker)
{
	struct relay *relay = worker->data;
	unsigned int i;

	while (!worker_stopped(worker)) {
		if (!wait_for_completion_timeout(&relay->go, HZ / 10))
			continue;
		for (i = 0; i < NR_BATCH; i++) {
			struct page *page = relay->set->page[relay->first + i];

			relay->bad += !stamped(relay->addr[i], page, 38);
			stamp(relay->addr[i], page, 39);
		}
		complete(&relay->done);
	}
}

static void kmap_reuse_is_seen_by_all(struct kunit *test)
{
	struct relay *relay = kunit_kzalloc(test, sizeof(*relay), GFP_KERNEL);
	unsigned int i, bad = 0;
	bool answered = true;

	NEEDS_TWO_CPUS(test);
	KUNIT_ASSERT_NOT_NULL(test, relay);
	init_completion(&relay->go);
	init_completion(&relay->done);
	relay->set = get_page_set(test, true, 2 * LAST_PKMAP + NR_BATCH);
	pin_to_cpu(test, first_cpu());
	start_worker(test, second_cpu(), look_at_batches, relay);

	for (relay->first = 0; answered && relay->first < relay->set->nr;
	     relay->first += NR_BATCH) {
		struct page **page = relay->set->page + relay->first;

		for (i = 0; i < NR_BATCH; i++) {
			relay->addr[i] = kmap(page[i]);
			stamp(relay->addr[i], page[i], 38);
		}
		complete(&relay->go);
		answered = wait_for_completion_timeout(&relay->done, PATIENCE);
		for (i = 0; i < NR_BATCH; i++) {
			bad += !stamped(relay->addr[i], page[i], 39);
			kunmap(page[i]);
		}
	}
	KUNIT_EXPECT_TRUE(test, answered);
	KUNIT_EXPECT_EQ(test, relay->bad, 0);
	KUNIT_EXPECT_EQ(test, bad, 0);
}

/*
 * Three of four kmap() calls go to a small set of pages, the fourth to a page
 * not seen lately. The set should stay mapped whatever streams past it.
 */
#define NR_HOT	64

static void kmap_keeps_hot_pages(struct kunit *test)
{
	struct page_set *hot = get_page_set(test, true, NR_HOT);
	struct page_set *cold = get_page_set(test, true, 4 * LAST_PKMAP);
	unsigned int i, j, tries = 0, hits = 0, bad = 0;

	for (i = 0; i < NR_HOT; i++)
		stamp_page(hot->page[i], 50);
	for (i = 0; i < 2 * cold->nr; i++) {
		for (j = 0; j < 3; j++) {
			struct page *page = hot->page[(3 * i + j) % NR_HOT];

			/* The first round finds nothing mapped yet */
			tries += 3 * i + j >= NR_HOT;
			hits += page_address(page) && 3 * i + j >= NR_HOT;
			bad += !stamped(kmap(page), page, 50);
			kunmap(page);
		}
		kmap(cold->page[i % cold->nr]);
		kunmap(cold->page[i % cold->nr]);
	}
	kunit_info(test, "%u of %u were mapped still\n", hits, tries);
	KUNIT_EXPECT_EQ(test, bad, 0);
	KUNIT_EXPECT_GE(test, 100 * hits, 99 * tries);
}

/*
 * A hoarder keeps more pages mapped than the pool has slots. Where the pool is
 * all there is he has to wait, but not longer than until a slot is given back.
 */
#define NR_EXCESS	4

struct hoard {
	struct page_set *set;
	struct worker *worker;
	unsigned int pause;	/* stop with so many, until told to go on */
	unsigned int held;	/* by the hoarder: pages up to here */
	unsigned int released;	/* by the case: pages up to here */
	unsigned int bad;
	struct completion go;
};

static void hoard_pages(struct worker *worker)
{
	struct hoard *hoard = worker->data;

	while (hoard->held < hoard->set->nr && !worker_stopped(worker)) {
		struct page *page = hoard->set->page[hoard->held];
		void *addr;

		if (hoard->held && hoard->held == hoard->pause &&
		    !wait_for_completion_timeout(&hoard->go, PATIENCE))
			return;
		addr = kmap(page);
		hoard->bad += !stamped(addr, page, 40);
		stamp(addr, page, 41);
		/* The page is mapped: pairs with hoard_held() */
		smp_store_release(&hoard->held, hoard->held + 1);
	}
}

static unsigned int hoard_held(struct hoard *hoard)
{
	/* Pairs with hoard_pages() */
	return smp_load_acquire(&hoard->held);
}

static void release_one(struct hoard *hoard)
{
	kunmap(hoard->set->page[hoard->released++]);
}

static void give_up_hoard(void *data)
{
	struct hoard *hoard = data;
	unsigned int i;

	WRITE_ONCE(hoard->worker->stop, true);
	for (i = 0; i < 1000 && !completion_done(&hoard->worker->done); i++) {
		if (hoard->released < hoard_held(hoard))
			release_one(hoard);
		else
			usleep_range(10000, 12000);
	}
	while (hoard->released < hoard_held(hoard))
		release_one(hoard);
}

/* Wait until the hoarder holds @nr pages; false if that takes too long */
static bool wait_for_hoard(struct hoard *hoard, unsigned int nr, unsigned long patience)
{
	unsigned long end = jiffies + patience;

	while (hoard_held(hoard) < nr) {
		if (time_after(jiffies, end))
			return false;
		usleep_range(1000, 2000);
	}
	return true;
}

static struct hoard *start_hoard(struct kunit *test, unsigned int nr, unsigned int pause)
{
	struct hoard *hoard = kunit_kzalloc(test, sizeof(*hoard), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, hoard);
	hoard->set = get_page_set(test, true, nr);
	hoard->pause = pause;
	init_completion(&hoard->go);
	for (i = 0; i < nr; i++)
		stamp_page(hoard->set->page[i], 40);
	hoard->worker = start_worker(test, -1, hoard_pages, hoard);
	KUNIT_ASSERT_EQ(test, kunit_add_action(test, give_up_hoard, hoard), 0);
	return hoard;
}

/* The hoarder is through: was each page mapped to its own address? */
static void check_hoard(struct kunit *test, struct hoard *hoard)
{
	unsigned int i, good = 0;

	join_worker(test, hoard->worker);
	kunit_release_action(test, give_up_hoard, hoard);
	for (i = 0; i < hoard->set->nr; i++)
		good += page_stamped(hoard->set->page[i], 41);
	KUNIT_EXPECT_EQ(test, good, hoard->set->nr);
	KUNIT_EXPECT_EQ(test, hoard->bad, 0);
}

/* Give back one page at a time, as soon as the hoarder is stuck, till he is done */
static bool feed_hoard(struct kunit *test, struct hoard *hoard)
{
	unsigned int nr = hoard->set->nr;
	bool waited = false;

	while (!wait_for_hoard(hoard, nr, HZ / 4)) {
		unsigned int held = hoard_held(hoard);

		if (wait_for_hoard(hoard, held + 1, HZ / 4))
			continue;	/* slow, not stuck */
		waited = true;
		release_one(hoard);
		KUNIT_ASSERT_TRUE_MSG(test, wait_for_hoard(hoard, held + 1, 5 * HZ),
				      "no use made of a free slot at %u pages", held);
	}
	return waited;
}

static void kmap_beyond_pool(struct kunit *test)
{
	struct hoard *hoard = start_hoard(test, LAST_PKMAP + NR_EXCESS, 0);
	bool waited;

	/* Somebody else may hold a few slots, but not half of them */
	KUNIT_ASSERT_TRUE_MSG(test, wait_for_hoard(hoard, LAST_PKMAP / 2, PATIENCE),
			      "the pool ended at %u pages", hoard_held(hoard));
	waited = feed_hoard(test, hoard);
	kunit_info(test, "%s at the end of the pool\n", waited ? "waited" : "did not wait");
	check_hoard(test, hoard);
}

/* One task wants half a pool more than there is, and nobody gives anything back */
static void kmap_far_beyond_pool(struct kunit *test)
{
	struct hoard *hoard = start_hoard(test, LAST_PKMAP + 512, 0);

	KUNIT_ASSERT_TRUE_MSG(test, wait_for_hoard(hoard, hoard->set->nr, PATIENCE),
			      "stuck with %u pages", hoard_held(hoard));
	check_hoard(test, hoard);
}

/* Many tasks hold some and want more, none gives back before it has them all */
#define NR_HOARDS	24
#define HOARD_FIRST	64

static void kmap_hold_and_want_more(struct kunit *test)
{
	struct hoard *hoard[NR_HOARDS];
	unsigned int i, held = 0;
	bool through = true;

	for (i = 0; i < NR_HOARDS; i++)
		hoard[i] = start_hoard(test, 2 * HOARD_FIRST, HOARD_FIRST);
	for (i = 0; i < NR_HOARDS; i++)
		through &= wait_for_hoard(hoard[i], HOARD_FIRST, HZ);
	for (i = 0; i < NR_HOARDS; i++)
		complete(&hoard[i]->go);
	for (i = 0; i < NR_HOARDS; i++)
		through &= wait_for_hoard(hoard[i], 2 * HOARD_FIRST, HZ);
	for (i = 0; i < NR_HOARDS; i++) {
		held += hoard_held(hoard[i]);
		/* Those who are stuck take no more when they get on */
		WRITE_ONCE(hoard[i]->worker->stop, true);
	}
	KUNIT_ASSERT_TRUE_MSG(test, through, "stuck with %u pages", held);
	for (i = 0; i < NR_HOARDS; i++)
		check_hoard(test, hoard[i]);
}

/* However far kmap() goes, it ends somewhere, and then it must wait and go on */
#define NR_FAR		(LAST_PKMAP + (SZ_16M >> PAGE_SHIFT) + NR_EXCESS)

static void kmap_to_the_end(struct kunit *test)
{
	struct hoard *hoard = start_hoard(test, NR_FAR, 0);
	unsigned int held = 0;
	bool waited;

	while (held < NR_FAR && wait_for_hoard(hoard, held + 1, HZ))
		held = hoard_held(hoard);
	KUNIT_ASSERT_GE(test, held, 2 * LAST_PKMAP);
	waited = feed_hoard(test, hoard);
	kunit_info(test, "%s with %u pages\n", waited ? "waited" : "did not wait", held);
	check_hoard(test, hoard);
}

/* -------------------------------------------------- highmem_pool: many at once */

/*
 * Two tasks map a page that nobody had mapped, at the same moment. Both must
 * get the one address, or one of them would give back what the other holds.
 */
#define NR_RACES	500

struct race {
	struct page_set *set;
	void **addr[2];
	atomic_t joined;
	atomic_t started;
	atomic_t late;
};

static void race_to_map(struct worker *worker)
{
	struct race *race = worker->data;
	unsigned int me = atomic_inc_return(&race->joined) - 1;
	unsigned int i;

	for (i = 0; i < race->set->nr && !worker_stopped(worker); i++) {
		unsigned long end = jiffies + HZ;

		atomic_inc(&race->started);
		while (atomic_read(&race->started) < 2 * (i + 1)) {
			if (time_after(jiffies, end)) {
				atomic_inc(&race->late);
				return;
			}
			cpu_relax();
		}
		race->addr[me][i] = kmap(race->set->page[i]);
	}
}

static void kmap_first_by_two(struct kunit *test)
{
	struct race *race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	struct worker *worker[2];
	unsigned int i, same = 0, gone = 0;

	NEEDS_TWO_CPUS(test);
	KUNIT_ASSERT_NOT_NULL(test, race);
	race->set = get_page_set(test, true, min(NR_RACES, LAST_PKMAP / 2));
	for (i = 0; i < 2; i++) {
		race->addr[i] = kunit_kcalloc(test, race->set->nr, sizeof(void *),
					      GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, race->addr[i]);
	}
	worker[0] = start_worker(test, first_cpu(), race_to_map, race);
	worker[1] = start_worker(test, second_cpu(), race_to_map, race);
	for (i = 0; i < 2; i++)
		join_worker(test, worker[i]);

	for (i = 0; i < race->set->nr; i++) {
		same += race->addr[0][i] && race->addr[0][i] == race->addr[1][i];
		if (race->addr[0][i])
			kunmap(race->set->page[i]);
		if (race->addr[1][i])
			kunmap(race->set->page[i]);
	}
	kmap_flush_unused();
	for (i = 0; i < race->set->nr; i++)
		gone += !page_address(race->set->page[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->late), 0);
	KUNIT_EXPECT_EQ(test, same, race->set->nr);
	KUNIT_EXPECT_EQ(test, gone, race->set->nr);
}

#define NR_SHARED	4
#define NR_SHARERS	4

/*
 * Few pages, shared by all. Each sharer has a line of its own in every page
 * and remembers what it wrote there last; the rest of the page never changes.
 */
struct crowd {
	struct page_set *shared;
	struct page_set *stream;
	atomic_t joined;
	atomic_t bad;
	atomic_long_t maps;
	atomic_long_t flushes;
};

static void share_pages(struct worker *worker)
{
	struct crowd *crowd = worker->data;
	unsigned int line = atomic_inc_return(&crowd->joined) * STAMP_STRIDE + 1;
	u32 last[NR_SHARED] = {};
	struct rnd_state rnd;
	unsigned int i;
	u32 *word;

	prandom_seed_state(&rnd, line);
	while (!worker_stopped(worker)) {
		for (i = 0; i < 100; i++) {
			unsigned int nr = prandom_u32_state(&rnd) % NR_SHARED;
			struct page *page = crowd->shared->page[nr];

			word = kmap(page);
			if (!stamped(word, page, 42) || READ_ONCE(word[line]) != last[nr])
				atomic_inc(&crowd->bad);
			WRITE_ONCE(word[line], ++last[nr]);
			if (READ_ONCE(word[line]) != last[nr])
				atomic_inc(&crowd->bad);
			kunmap(page);
		}
		atomic_long_add(i, &crowd->maps);
		cond_resched();
	}
}

/* Wears the pool out meanwhile, so that shared pages lose their slots */
static void stream_pages(struct worker *worker)
{
	struct crowd *crowd = worker->data;
	unsigned int i;

	while (!worker_stopped(worker)) {
		for (i = 0; i < crowd->stream->nr && !worker_stopped(worker); i++) {
			struct page *page = crowd->stream->page[i];

			if (!stamped(kmap(page), page, 43))
				atomic_inc(&crowd->bad);
			kunmap(page);
			if (i % 64 == 0)
				cond_resched();
		}
		atomic_long_add(i, &crowd->maps);
	}
}

static void flush_pool(struct worker *worker)
{
	struct crowd *crowd = worker->data;

	while (!worker_stopped(worker)) {
		kmap_flush_unused();
		atomic_long_inc(&crowd->flushes);
		usleep_range(50, 200);
	}
}

static void check_crowd(struct kunit *test, bool flushing, unsigned int ms)
{
	struct crowd *crowd = kunit_kzalloc(test, sizeof(*crowd), GFP_KERNEL);
	struct worker *worker[NR_SHARERS + 2];
	unsigned int i, nr = 0, cpu = first_cpu();

	KUNIT_ASSERT_NOT_NULL(test, crowd);
	crowd->shared = get_page_set(test, true, NR_SHARED);
	crowd->stream = get_page_set(test, true, LAST_PKMAP + 100);
	for (i = 0; i < NR_SHARED; i++) {
		void *addr = kmap_local_page(crowd->shared->page[i]);

		clear_page(addr);
		stamp(addr, crowd->shared->page[i], 42);
		kunmap_local(addr);
	}
	for (i = 0; i < crowd->stream->nr; i++)
		stamp_page(crowd->stream->page[i], 43);

	while (nr < NR_SHARERS) {
		worker[nr++] = start_worker(test, cpu, share_pages, crowd);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = first_cpu();
	}
	worker[nr++] = start_worker(test, -1, stream_pages, crowd);
	if (flushing)
		worker[nr++] = start_worker(test, -1, flush_pool, crowd);
	msleep(ms);
	for (i = 0; i < nr; i++)
		WRITE_ONCE(worker[i]->stop, true);
	for (i = 0; i < nr; i++)
		join_worker(test, worker[i]);

	kunit_info(test, "%ld maps, %ld flushes\n", atomic_long_read(&crowd->maps),
		   atomic_long_read(&crowd->flushes));
	KUNIT_EXPECT_EQ(test, atomic_read(&crowd->bad), 0);
	KUNIT_EXPECT_GT(test, atomic_long_read(&crowd->maps), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&crowd->flushes) > 0, flushing);
	/* Nobody holds any of them any longer */
	kmap_flush_unused();
	for (i = 0; i < NR_SHARED; i++)
		KUNIT_EXPECT_NULL(test, page_address(crowd->shared->page[i]));
	for (i = 0; i < crowd->stream->nr; i++)
		KUNIT_EXPECT_NULL(test, page_address(crowd->stream->page[i]));
}

static void kmap_shared(struct kunit *test)
{
	check_crowd(test, false, 2000);
}

static void kmap_shared_and_flushed(struct kunit *test)
{
	check_crowd(test, true, 2000);
}

/* ----------------------------------- highmem_pool: from where it is not allowed */

struct atomic_kmap {
	struct irq_work irq_work;
	struct page *page;
	void *addr;
	bool good;
	struct completion done;
};

static void kmap_in_irq_work(struct irq_work *irq_work)
{
	struct atomic_kmap *ak = container_of(irq_work, struct atomic_kmap, irq_work);

	ak->addr = kmap(ak->page);
	ak->good = stamped(ak->addr, ak->page, 44);
	complete(&ak->done);
}

static void kmap_in_atomic_context(struct kunit *test)
{
	struct atomic_kmap *ak = kunit_kzalloc(test, sizeof(*ak), GFP_KERNEL);
	struct page *page = get_page_from(test, true);
	bool good, arrived;
	void *addr;

	KUNIT_ASSERT_NOT_NULL(test, ak);
	stamp_page(page, 44);
	ak->page = get_page_from(test, true);
	stamp_page(ak->page, 44);
	init_completion(&ak->done);
	ak->irq_work = IRQ_WORK_INIT_HARD(kmap_in_irq_work);
	/* Idle mappings would make it too easy */
	kmap_flush_unused();

	provoke(test, "kmap() in atomic context");
	preempt_disable();
	addr = kmap(page);
	good = stamped(addr, page, 44);
	preempt_enable();
	kunmap(page);

	irq_work_queue(&ak->irq_work);
	arrived = wait_for_completion_timeout(&ak->done, PATIENCE);
	irq_work_sync(&ak->irq_work);
	if (arrived)
		kunmap(ak->page);
	provoked(test);

	KUNIT_EXPECT_TRUE(test, good);
	KUNIT_EXPECT_TRUE(test, arrived);
	KUNIT_EXPECT_TRUE(test, ak->good);
	if (IS_ENABLED(CONFIG_PREEMPT_COUNT))
		expect_report(test, "kmap() in atomic context");
	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(page));
	KUNIT_EXPECT_NULL(test, page_address(ak->page));
}

#ifdef ARCH_NEEDS_KMAP_HIGH_GET
/* For those who may not sleep: hold a mapping if there is one */
static void kmap_high_get_holds(struct kunit *test)
{
	struct page *page = get_page_from(test, true);
	void *addr, *local, *got;

	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, kmap_high_get(page));
	addr = hold_kmap(test, page);
	stamp(addr, page, 45);
	got = kmap_high_get(page);
	KUNIT_EXPECT_PTR_EQ(test, got, addr);
	drop_kmap(test, page);
	kmap_flush_unused();
	KUNIT_EXPECT_PTR_EQ(test, page_address(page), addr);
	KUNIT_EXPECT_TRUE(test, stamped_nofault(addr, page, 45));

	/* A local mapping of a mapped page is that mapping, held once more */
	local = kmap_local_page(page);
	if (got)
		kunmap_high(page);
	kmap_flush_unused();
	KUNIT_EXPECT_TRUE(test, stamped_nofault(local, page, 45));
	KUNIT_EXPECT_PTR_EQ(test, local, addr);
	kunmap_local(local);
	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(page));
	KUNIT_EXPECT_FALSE(test, readable(addr));
}
#endif

/* After a misuse: are slots given out, filled, and given back as ever? */
static void check_pool_works(struct kunit *test)
{
	struct page_set *set = get_page_set(test, true, 8);
	unsigned int i;
	void *addr[8];

	for (i = 0; i < 8; i++) {
		addr[i] = hold_kmap(test, set->page[i]);
		stamp(addr[i], set->page[i], 46);
	}
	for (i = 0; i < 8; i++) {
		KUNIT_EXPECT_TRUE(test, stamped(addr[i], set->page[i], 46));
		KUNIT_EXPECT_PTR_EQ(test, page_address(set->page[i]), addr[i]);
		drop_kmap(test, set->page[i]);
	}
	kmap_flush_unused();
	for (i = 0; i < 8; i++) {
		KUNIT_EXPECT_NULL(test, page_address(set->page[i]));
		KUNIT_EXPECT_FALSE(test, readable(addr[i]));
	}
}

/* A page that has a slot, though nobody holds it, loses no more than that */
static void kunmap_of_idle_page(struct kunit *test)
{
	struct page *page = get_page_from(test, true);

	kmap_flush_unused();
	stamp(kmap(page), page, 47);
	kunmap(page);
	provoke(test, "kunmap() of");
	pool_victim = test->name;
	kunmap(page);
	pool_victim = NULL;
	provoked(test);

	KUNIT_EXPECT_TRUE(test, stamped(hold_kmap(test, page), page, 47));
	drop_kmap(test, page);
	kmap_flush_unused();
	KUNIT_EXPECT_NULL(test, page_address(page));
	check_pool_works(test);
}

/* Owns the report, since both misuses may count as one kind */
static void kunmap_of_unmapped_page(struct kunit *test)
{
	struct page *page = get_page_from(test, true);

	kmap_flush_unused();
	KUNIT_ASSERT_NULL(test, page_address(page));
	provoke(test, "kunmap() of");
	pool_victim = test->name;
	kunmap(page);
	pool_victim = NULL;
	provoked(test);

	KUNIT_EXPECT_NULL(test, page_address(page));
	stamp_page(page, 48);
	KUNIT_EXPECT_TRUE(test, stamped(hold_kmap(test, page), page, 48));
	drop_kmap(test, page);
	check_pool_works(test);
	expect_report(test, "kunmap() of");
}
#endif /* CONFIG_HIGHMEM */

static struct kunit_case highmem_pool_cases[] = {
	KUNIT_CASE(kmap_round_trip),
	KUNIT_CASE(kmap_of_low_page),
	KUNIT_CASE(kmap_of_mapped_page),
	KUNIT_CASE(kmap_is_seen_by_all),
	KUNIT_CASE(kmap_flush_unused_removes_idle),
	KUNIT_CASE(kmap_to_page_of_pool_address),
	KUNIT_CASE(kmap_to_page_of_local_address),
	KUNIT_CASE(kmap_to_page_of_first_local_slot),
	KUNIT_CASE(is_kmap_addr_in_pool),
	KUNIT_CASE(is_kmap_addr_of_other_memory),
	KUNIT_CASE(is_kmap_addr_in_local_slots),
	KUNIT_CASE(is_kmap_addr_in_first_local_slot),
#ifdef CONFIG_HIGHMEM
	KUNIT_CASE(kmap_streaming),
	KUNIT_CASE(kmap_reuse_is_seen_by_all),
	KUNIT_CASE(kmap_keeps_hot_pages),
	KUNIT_CASE(kmap_beyond_pool),
	KUNIT_CASE(kmap_far_beyond_pool),
	KUNIT_CASE(kmap_hold_and_want_more),
	KUNIT_CASE(kmap_to_the_end),
	KUNIT_CASE(kmap_first_by_two),
	KUNIT_CASE_SLOW(kmap_shared),
	KUNIT_CASE_SLOW(kmap_shared_and_flushed),
	KUNIT_CASE(kmap_in_atomic_context),
#ifdef ARCH_NEEDS_KMAP_HIGH_GET
	KUNIT_CASE(kmap_high_get_holds),
#endif
	KUNIT_CASE(kunmap_of_unmapped_page),
	KUNIT_CASE(kunmap_of_idle_page),
#endif
	{}
};

static struct kunit_suite highmem_pool_suite = {
	.name = "highmem_pool",
	.init = remember_task_and_pool,
	.exit = check_task,
	.test_cases = highmem_pool_cases,
};

kunit_test_suites(&highmem_suite, &highmem_local_suite, &highmem_pool_suite);

MODULE_DESCRIPTION("KUnit suites for high memory");
MODULE_LICENSE("GPL");
