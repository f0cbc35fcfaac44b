// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_lazy": kunmap_local() leaves the PTE in the slot (lazy) or clears
 * it (eager), and kmap_flush_unused() clears the PTEs that are left. See highmem_kunit.h
 * and highmem_kunit_whitebox.h.
 */

#include <linux/delay.h>
#include <linux/io-mapping.h>
#include <linux/kprobes.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "highmem_kunit_whitebox.h"

/* ----------------------------------------------------------- PTEs and flushes */

struct slot_events {
	struct events first;	/* in an empty slot */
	struct events again;	/* the same page */
	struct events other;	/* another page */
	struct events first_again; /* the first page again */
	bool pte_stays;
	bool maps_page;
};

/* Maps, checks and unmaps @page, and counts the events. */
static struct events count_events_of(struct page *page, u32 salt, struct slot_events *slot_events)
{
	struct events before = hmk_events();
	void *addr = kmap_local_page(page);

	slot_events->maps_page &= hmk_slot_maps(addr, page) && stamped(addr, page, salt);
	kunmap_local(addr);
	slot_events->pte_stays &= hmk_slot_maps(addr, page);
	return hmk_events_since(before);
}

static struct slot_events count_events_of_slot(struct page_set *set)
{
	struct slot_events slot_events = { .pte_stays = true, .maps_page = true };

	kmap_flush_unused();
	slot_events.first = count_events_of(set->page[0], 1, &slot_events);
	slot_events.again = count_events_of(set->page[0], 1, &slot_events);
	slot_events.other = count_events_of(set->page[1], 2, &slot_events);
	slot_events.first_again = count_events_of(set->page[0], 1, &slot_events);
	return slot_events;
}

static void kmap_local_page_again_writes_no_pte(struct kunit *test)
{
	struct page_set *below = hmk_get_page_set(test, true, WALK_MAPS);
	struct page_set *set = hmk_get_page_set(test, true, 2);
	void *addr[WALK_MAPS];
	unsigned int depth;

	hmk_require_lazy(test);
	hmk_count_events(test);
	pin_to_cpu(test, first_cpu());
	stamp_page(set->page[0], 1);
	stamp_page(set->page[1], 2);
	for (depth = 0; depth <= WALK_MAPS; depth++) {
		struct slot_events slot_events;

		map_all(below, addr, depth);
		slot_events = count_events_of_slot(set);
		unmap_all(addr, depth);

		hmk_expect_events(test, slot_events.first, 1, 0);
		hmk_expect_events(test, slot_events.again, 0, 0);
		hmk_expect_events(test, slot_events.other, 1, 1);
		hmk_expect_events(test, slot_events.first_again, 1, 1);
		KUNIT_EXPECT_EQ(test, slot_events.again.maps, 1);
		KUNIT_EXPECT_TRUE(test, slot_events.pte_stays);
		KUNIT_EXPECT_TRUE(test, slot_events.maps_page);
	}
}

/* An eager kunmap_local() clears the PTE. */
static void eager_kunmap_local_clears_pte(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, WALK_MAPS);
	void *addr[WALK_MAPS];
	unsigned int i, round;

	REQUIRES_INTERNALS(test);
	REQUIRES(test, !is_lazy(), "kunmap_local() of this kernel is lazy");
	pin_to_cpu(test, first_cpu());
	for (round = 0; round < 2; round++) {
		map_all(set, addr, WALK_MAPS);
		for (i = WALK_MAPS; i--;) {
			bool maps_page = hmk_slot_maps(addr[i], set->page[i]);

			kunmap_local(addr[i]);
			KUNIT_EXPECT_TRUE(test, maps_page);
			KUNIT_EXPECT_TRUE(test, hmk_slot_empty(addr[i]));
			KUNIT_EXPECT_FALSE(test, readable(addr[i]));
		}
		KUNIT_EXPECT_EQ(test, hmk_slots_filled(raw_smp_processor_id()), 0);
	}
}

/* Two pages alternate in a slot and are written to, at each depth. */
static void two_pages_alternate_in_slot(struct kunit *test)
{
	struct page_set *below = hmk_get_page_set(test, true, WALK_MAPS);
	struct page_set *set = hmk_get_page_set(test, true, 2);
	unsigned int depth, i, bad = 0;
	void *addr[WALK_MAPS];

	REQUIRES_MAPPING(test);
	pin_to_cpu(test, first_cpu());
	for (depth = 0; depth < WALK_MAPS; depth++) {
		stamp_page(set->page[0], 0);
		stamp_page(set->page[1], 0);
		map_all(below, addr, depth);
		for (i = 0; i < 64; i++) {
			struct page *page = set->page[i & 1];
			void *top = kmap_local_page(page);

			bad += !stamped(top, page, i / 2);
			stamp(top, page, i / 2 + 1);
			kunmap_local(top);
		}
		unmap_all(addr, depth);
	}
	KUNIT_EXPECT_EQ(test, bad, 0);
}

/* --------------------------------------------------------------- random walks */

static void walk_for(struct walk *walk, unsigned int ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);

	while (time_before(jiffies, end)) {
		hmk_walk_step(walk);
		cond_resched();
	}
	while (walk->nr_held)
		hmk_walk_unmap(walk);
}

static void random_walk(struct kunit *test)
{
	struct walk *walk = hmk_get_walk(test, 80, WALK_MAPS);
	struct walk *plain = hmk_get_walk(test, 81, WALK_MAPS);

	plain->plain = true;
	pin_to_cpu(test, first_cpu());
	walk_for(walk, 500);
	walk_for(plain, 500);
	kunit_info(test, "%u and %u steps\n", walk->steps, plain->steps);
	hmk_check_walk(test, walk);
	hmk_check_walk(test, plain);
}

static void random_walk_with_interrupts(struct kunit *test)
{
	struct walk *walk = hmk_get_walk(test, 82, TASK_MAPS);
	struct walk *plain = hmk_get_walk(test, 83, TASK_MAPS);
	struct interrupters *interrupters;

	plain->plain = true;
	pin_to_cpu(test, first_cpu());
	interrupters = hmk_start_interrupters(test);
	walk_for(walk, 1500);
	walk_for(plain, 1500);
	hmk_check_interrupters(test, interrupters);
	hmk_check_walk(test, walk);
	hmk_check_walk(test, plain);
}

/* ---------------------------------------------------------- kmap_flush_unused() */

/* A task on each CPU uses many slots. It leaves the pages there, idle or held. */
struct slot_user {
	struct page_set *set;
	void *addr[WALK_MAPS];
	unsigned int nr;
	unsigned int bad;
	bool hold;
	struct completion left;
	struct completion go;
};

static void use_slots(struct worker *worker)
{
	struct slot_user *slot_user = worker->data;
	unsigned int i;

	map_all(slot_user->set, slot_user->addr, slot_user->nr);
	if (!slot_user->hold)
		unmap_all(slot_user->addr, slot_user->nr);
	complete(&slot_user->left);
	wait_for_completion_timeout(&slot_user->go, TIMEOUT);
	for (i = 0; i < slot_user->nr; i++) {
		if (slot_user->hold)
			slot_user->bad += !stamped(slot_user->addr[i], slot_user->set->page[i], 84);
		else
			slot_user->bad += hmk_slot_empty(slot_user->addr[i]) &&
				       readable(slot_user->addr[i]);
	}
	if (slot_user->hold)
		unmap_all(slot_user->addr, slot_user->nr);
}

static struct slot_user *init_slot_user(struct kunit *test, unsigned int nr, bool hold)
{
	struct slot_user *slot_user = hmk_zalloc(test, sizeof(*slot_user));
	unsigned int i;

	slot_user->set = hmk_get_page_set(test, true, nr);
	for (i = 0; i < nr; i++)
		stamp_page(slot_user->set->page[i], 84);
	slot_user->nr = nr;
	slot_user->hold = hold;
	init_completion(&slot_user->left);
	init_completion(&slot_user->go);
	return slot_user;
}

static void check_flush(struct kunit *test, bool hold)
{
	struct page_set *set = hmk_get_page_set(test, true, 5);
	struct slot_user *slot_user[8];
	struct worker *worker[8];
	unsigned int cpu, filled, i, nr = 0, bad = 0;
	void *addr[5];

	pin_to_cpu(test, first_cpu());
	kmap_flush_unused();
	for_each_online_cpu(cpu) {
		slot_user[nr] = init_slot_user(test, WALK_MAPS, hold);
		worker[nr] = hmk_start_worker(test, cpu, use_slots, slot_user[nr]);
		wait_for_completion_timeout(&slot_user[nr]->left, TIMEOUT);
		/* The task has to be asleep if it holds pages. */
		usleep_range(2000, 4000);
		if (++nr == ARRAY_SIZE(slot_user))
			break;
	}
	filled = hmk_slots_filled(-1);
	for (i = 0; i < 5; i++)
		stamp_page(set->page[i], 85);
	map_all(set, addr, 5);
	kmap_flush_unused();
	for (i = 0; i < 5; i++)
		bad += !hmk_slot_maps(addr[i], set->page[i]) ||
		       !stamped(addr[i], set->page[i], 85);
	i = hmk_slots_filled(-1);
	unmap_all(addr, 5);

	if (is_lazy())
		KUNIT_EXPECT_EQ(test, filled, nr * WALK_MAPS);
	KUNIT_EXPECT_EQ_MSG(test, i, 5, "slots with a PTE, 5 of them held");
	KUNIT_EXPECT_EQ(test, bad, 0);
	while (nr--) {
		complete(&slot_user[nr]->go);
		hmk_join_worker(test, worker[nr]);
		KUNIT_EXPECT_EQ(test, slot_user[nr]->bad, 0);
	}
}

static void flush_clears_idle_slots(struct kunit *test)
{
	REQUIRES_INTERNALS(test);
	check_flush(test, false);
}

static void flush_keeps_held_slots(struct kunit *test)
{
	REQUIRES_INTERNALS(test);
	check_flush(test, true);
}

/* Tasks on all CPUs map pages while another task flushes. */
static void walk_until_stopped(struct worker *worker)
{
	struct walk *walk = worker->data;

	while (!worker_stopped(worker)) {
		hmk_walk_step(walk);
		if (walk->steps % 256 == 0)
			usleep_range(100, 300);
		else
			cond_resched();
	}
	while (walk->nr_held)
		hmk_walk_unmap(walk);
}

struct flusher {
	struct page *page;
	unsigned int flushes;
	unsigned int kept;
};

static void flush_until_stopped(struct worker *worker)
{
	struct flusher *flusher = worker->data;

	while (!worker_stopped(worker)) {
		void *addr = kmap_local_page(flusher->page);

		kunmap_local(addr);
		kmap_flush_unused();
		/* No other task maps this page. */
		flusher->kept += hmk_slot_maps(addr, flusher->page);
		flusher->flushes++;
		cond_resched();
	}
}

static void flush_races_with_mapping(struct kunit *test)
{
	struct flusher *flusher = hmk_zalloc(test, sizeof(*flusher));
	struct worker *worker[9];
	struct walk *walk[9];
	struct interrupters *interrupters;
	unsigned int cpu, i, nr = 0;

	REQUIRES_INTERNALS(test);
	flusher->page = hmk_get_page(test, true);
	for_each_online_cpu(cpu) {
		if (nr == 8)
			break;
		walk[nr] = hmk_get_walk(test, 86 + cpu, TASK_MAPS);
		worker[nr] = hmk_start_worker(test, cpu, walk_until_stopped, walk[nr]);
		nr++;
	}
	worker[nr] = hmk_start_worker(test, -1, flush_until_stopped, flusher);
	interrupters = hmk_start_interrupters(test);
	msleep(2500);
	for (i = 0; i <= nr; i++)
		WRITE_ONCE(worker[i]->stop, true);
	for (i = 0; i <= nr; i++)
		hmk_join_worker(test, worker[i]);
	hmk_check_interrupters(test, interrupters);
	for (i = 0; i < nr; i++)
		hmk_check_walk(test, walk[i]);
	kunit_info(test, "%u flushes\n", flusher->flushes);
	KUNIT_EXPECT_GT(test, flusher->flushes, 10);
	KUNIT_EXPECT_EQ(test, flusher->kept, 0);
	kmap_flush_unused();
	KUNIT_EXPECT_EQ(test, hmk_slots_filled(-1), 0);
}

/* Without PARAVIRT, kmap_local flushes with an instruction and calls no function. */
#if defined(CONFIG_X86_32) && defined(CONFIG_PARAVIRT) && defined(CONFIG_KPROBES)
struct flush_probe {
	struct kprobe kprobe;
	struct task_struct *task;
	struct page *page;
	unsigned int maps;
	unsigned int wrong;
};

/* The slot is empty, and the TLB caches its old PTE still. */
static int map_before_flush(struct kprobe *kprobe, struct pt_regs *regs)
{
	struct flush_probe *probe = container_of(kprobe, struct flush_probe, kprobe);
	void *addr;

	if (current != READ_ONCE(probe->task) || !irqs_disabled())
		return 0;
	addr = kmap_local_page(probe->page);
	probe->maps++;
	probe->wrong += !stamped(addr, probe->page, 2);
	kunmap_local(addr);
	return 0;
}

NOKPROBE_SYMBOL(map_before_flush);

static void end_flush_probe(void *data)
{
	struct flush_probe *probe = data;

	unregister_kprobe(&probe->kprobe);
}

/*
 * A probe in kmap_flush_unused(), between the store that clears the PTE of an idle slot
 * and the flush, maps another page in that slot. With FUNCTION_TRACER the probe is not in
 * an NMI.
 */
static void probe_maps_page_during_flush(struct kunit *test)
{
	struct flush_probe *probe = hmk_zalloc(test, sizeof(*probe));
	struct page *page = hmk_get_page(test, true);
	unsigned int i;

	hmk_require_lazy(test);
	pin_to_cpu(test, first_cpu());
	probe->page = hmk_get_page(test, true);
	stamp_page(page, 1);
	stamp_page(probe->page, 2);
	probe->kprobe.symbol_name = "flush_tlb_one_kernel";
	probe->kprobe.pre_handler = map_before_flush;
	KUNIT_ASSERT_EQ(test, register_kprobe(&probe->kprobe), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_flush_probe, probe), 0);
	for (i = 0; i < 10; i++) {
		KUNIT_EXPECT_TRUE(test, page_stamped(page, 1));
		WRITE_ONCE(probe->task, current);
		kmap_flush_unused();
		WRITE_ONCE(probe->task, NULL);
	}
	kunit_release_action(test, end_flush_probe, probe);
	KUNIT_EXPECT_GE(test, probe->maps, 10);
	KUNIT_EXPECT_EQ(test, probe->wrong, 0);
}
#else
static void probe_maps_page_during_flush(struct kunit *test)
{
	kunit_skip(test, "needs x86-32 with PARAVIRT and KPROBES");
}
#endif

#if defined(CONFIG_X86_32) && defined(CONFIG_SMP)
static void map_once(void *page)
{
	kunmap_local(kmap_local_page(page));
}

#define NR_COUNTS	11

static int compare_counts(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/*
 * The function call IPIs that @cpu gets during kmap_flush_unused(): the median. An IPI of
 * another kind counts, too. If the idle loop of @cpu calls the function before the IPI
 * arrives, the IPI counts in the next run.
 */
static int count_calls(unsigned int cpu, struct page *local, struct page *pool)
{
	int i, calls[NR_COUNTS];

	for (i = 0; i < NR_COUNTS; i++) {
		kmap_flush_unused();
		if (local)
			smp_call_function_single(cpu, map_once, local, 1);
		if (pool) {
			kmap(pool);
			kunmap(pool);
		}
		calls[i] = -READ_ONCE(calls_taken(cpu));
		kmap_flush_unused();
		calls[i] += READ_ONCE(calls_taken(cpu));
	}
	sort(calls, NR_COUNTS, sizeof(calls[0]), compare_counts, NULL);
	return calls[NR_COUNTS / 2];
}
#endif

/*
 * kmap_flush_unused() sends a CPU no IPI if nothing is idle. It sends one IPI for idle
 * slots of the pool and idle local mappings of that CPU together.
 */
static void flush_sends_one_ipi(struct kunit *test)
{
#if defined(CONFIG_X86_32) && defined(CONFIG_SMP)
	struct page *page = hmk_get_page(test, true);
	unsigned int cpu = second_cpu();

	hmk_require_lazy(test);
	REQUIRES_TWO_CPUS(test);
	pin_to_cpu(test, first_cpu());
	KUNIT_EXPECT_EQ(test, count_calls(cpu, NULL, NULL), 0);
	KUNIT_EXPECT_EQ(test, count_calls(cpu, page, NULL), 1);
	KUNIT_EXPECT_EQ(test, count_calls(cpu, NULL, page), 1);
	KUNIT_EXPECT_EQ(test, count_calls(cpu, page, page), 1);
#else
	kunit_skip(test, "needs x86-32 with SMP");
#endif
}

/* ---------------------------------------------------------------- protections */

/* Is the page writable at @addr? Does not change the page. */
static bool writable(void *addr)
{
	u32 word = READ_ONCE(*(u32 *)addr);

	return !copy_to_kernel_nofault(addr, &word, sizeof(word));
}

struct prot_result {
	bool lazy_writable;
	bool ro_writable;
	bool ro_shown;
	bool ro_gone;
	bool again_writable;
};

/*
 * The same slot with the default protection, read-only, and with the default one again.
 */
static struct prot_result try_protections(struct page *page)
{
	struct prot_result result;
	void *addr;

	addr = kmap_local_page(page);
	result.lazy_writable = writable(addr);
	kunmap_local(addr);
	addr = kmap_local_page_prot(page, PAGE_KERNEL_RO);
	result.ro_writable = writable(addr);
	result.ro_shown = hmk_slot_maps(addr, page);
	kunmap_local(addr);
	result.ro_gone = hmk_slot_empty(addr);
	addr = kmap_local_page(page);
	result.again_writable = writable(addr);
	kunmap_local(addr);
	return result;
}

static void other_protection_is_eager(struct kunit *test)
{
	struct page_set *below = hmk_get_page_set(test, true, WALK_MAPS);
	struct page *page = hmk_get_page(test, true);
	void *addr[WALK_MAPS];
	unsigned int depth;

	REQUIRES_INTERNALS(test);
	pin_to_cpu(test, first_cpu());
	for (depth = 0; depth < WALK_MAPS; depth++) {
		struct prot_result result;

		map_all(below, addr, depth);
		result = try_protections(page);
		unmap_all(addr, depth);
		KUNIT_EXPECT_TRUE(test, result.lazy_writable);
		if (IS_ENABLED(CONFIG_X86))
			KUNIT_EXPECT_FALSE(test, result.ro_writable);
		KUNIT_EXPECT_TRUE(test, result.ro_shown);
		KUNIT_EXPECT_TRUE(test, result.ro_gone);
		KUNIT_EXPECT_TRUE(test, result.again_writable);
		KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	}
}

/* Checks, at the end of a case, that mapping @page a second time writes no PTE. */
static void expect_no_pte_written(struct kunit *test, struct page *page)
{
	struct slot_events slot_events = { };
	struct events events;

	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	if (!is_lazy() || !HAVE_COUNTERS)
		return;
	hmk_count_events(test);
	count_events_of(page, 0, &slot_events);
	events = count_events_of(page, 0, &slot_events);
	hmk_expect_events(test, events, 0, 0);
}

/*
 * Each mixture of lazy and eager mappings, four deep: bit n of @mix makes mapping n
 * eager.
 */
#define MIX_MAPS	4

static void map_mix(struct page_set *set, void **addr, unsigned int mix)
{
	unsigned int i;

	for (i = 0; i < MIX_MAPS; i++)
		addr[i] = kmap_local_page_prot(set->page[i], mix & BIT(i) ? PAGE_KERNEL_RO :
									    DEFAULT_PROT);
}

/* Counts wrong mappings. @gone has a bit for each one that is unmapped. */
static unsigned int count_wrong(struct page_set *set, void **addr, unsigned int mix,
				unsigned int gone)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < MIX_MAPS; i++) {
		bool eager = mix & BIT(i) || !is_lazy();

		if (!(gone & BIT(i))) {
			wrong += !hmk_slot_maps(addr[i], set->page[i]) ||
				 !stamped(addr[i], set->page[i], 87);
			if (IS_ENABLED(CONFIG_X86))
				wrong += writable(addr[i]) == !!(mix & BIT(i));
		} else if (eager) {
			/* An interrupt may have left another PTE there. */
			wrong += hmk_slot_maps(addr[i], set->page[i]);
		}
	}
	return wrong;
}

/* Unmaps in the order number @order of all orders. */
static unsigned int unmap_mix(struct page_set *set, void **addr, unsigned int mix,
			      unsigned int order)
{
	unsigned int i, wrong = 0, gone = 0;

	for (i = MIX_MAPS; i; order /= i--) {
		unsigned int skip = order % i, n = MIX_MAPS;

		/* The mapping below the latest @skip ones. */
		do {
			n--;
			while (gone & BIT(n))
				n--;
		} while (skip--);
		kunmap_local(addr[n]);
		gone |= BIT(n);
		wrong += count_wrong(set, addr, mix, gone);
	}
	return wrong;
}

static void check_all_mixtures(struct kunit *test, struct page_set *set, unsigned int orders)
{
	unsigned int mix, order, i, wrong = 0, left = 0;
	void *addr[MIX_MAPS];

	pin_to_cpu(test, first_cpu());
	for (i = 0; i < MIX_MAPS; i++)
		stamp_page(set->page[i], 87);
	for (order = 0; order < orders; order++) {
		for (mix = 0; mix < 1 << MIX_MAPS; mix++) {
			map_mix(set, addr, mix);
			wrong += count_wrong(set, addr, mix, 0);
			wrong += unmap_mix(set, addr, mix, order);
			left += !!map_depth(current);
		}
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, left, 0);
}

static void lazy_and_eager_nested(struct kunit *test)
{
	REQUIRES_INTERNALS(test);
	check_all_mixtures(test, hmk_get_page_set(test, true, MIX_MAPS), 1);
	expect_no_pte_written(test, hmk_get_page(test, true));
}

/* All 24 orders, 23 of which are wrong. The report is tested in highmem_local. */
static void lazy_and_eager_out_of_order(struct kunit *test)
{
	struct interrupters *interrupters;
	struct page_set *set;
	unsigned int i;

	REQUIRES_INTERNALS(test);
	set = hmk_get_page_set(test, true, MIX_MAPS);
	hmk_provoke(test, "out of order");
	interrupters = hmk_start_interrupters(test);
	for (i = 0; !i || (i < 1000 && !hmk_all_interrupted(interrupters)); i++)
		check_all_mixtures(test, set, 24);
	hmk_check_interrupters(test, interrupters);
	hmk_provoked(test);
	expect_no_pte_written(test, hmk_get_page(test, true));
}

/* Without high memory no caller flushes idle slots, so unmapping must be eager. */
static void pfn_prot_is_lazy_with_highmem(struct kunit *test)
{
#if HAVE_INTERNALS
	struct page *page = hmk_get_page(test, true);
	bool maps_page;
	void *addr;

	REQUIRES(test, !IS_ENABLED(CONFIG_64BIT),
		 "local slots of 64-bit kernels are for debugging");
	pin_to_cpu(test, first_cpu());
	addr = __kmap_local_pfn_prot(page_to_pfn(page), DEFAULT_PROT);
	maps_page = hmk_slot_maps(addr, page);
	/* kunmap_local() does nothing here without high memory. */
	kunmap_local_indexed(addr);
	KUNIT_EXPECT_TRUE(test, maps_page);
	KUNIT_EXPECT_EQ(test, hmk_slot_empty(addr), !is_lazy());
	kmap_flush_unused();
	KUNIT_EXPECT_TRUE(test, hmk_slot_empty(addr));
#else
	kunit_skip(test, "needs the local mappings of mm/kmap_local.c");
#endif
}

#ifdef CONFIG_HAVE_ATOMIC_IOMAP
/* The BIOS image below 1 MB, which each PC has. */
#define FIRMWARE_BASE	0xf0000UL
#define FIRMWARE_SIZE	0x10000UL

static void release_io_mapping(void *mapping)
{
	io_mapping_free(mapping);
}
#endif

static void io_mapping_is_eager(struct kunit *test)
{
#ifdef CONFIG_HAVE_ATOMIC_IOMAP
	struct page *page = hmk_get_page(test, true);
	struct io_mapping *mapping;
	unsigned int i;

	REQUIRES_INTERNALS(test);
	pin_to_cpu(test, first_cpu());
	mapping = io_mapping_create_wc(FIRMWARE_BASE, FIRMWARE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, mapping);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, release_io_mapping, mapping), 0);
	for (i = 0; i < FIRMWARE_SIZE; i += PAGE_SIZE) {
		void __iomem *addr;

		stamp_page(page, i);
		addr = io_mapping_map_local_wc(mapping, i);
		io_mapping_unmap_local(addr);
		KUNIT_EXPECT_TRUE(test, hmk_slot_empty((void __force *)addr));
		KUNIT_EXPECT_TRUE(test, page_stamped(page, i));
		KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	}
#else
	kunit_skip(test, "needs CONFIG_HAVE_ATOMIC_IOMAP");
#endif
}

static struct kunit_case highmem_lazy_cases[] = {
	KUNIT_CASE(kmap_local_page_again_writes_no_pte),
	KUNIT_CASE(eager_kunmap_local_clears_pte),
	KUNIT_CASE(two_pages_alternate_in_slot),
	KUNIT_CASE_SLOW(random_walk),
	KUNIT_CASE_SLOW(random_walk_with_interrupts),
	KUNIT_CASE(flush_clears_idle_slots),
	KUNIT_CASE(flush_keeps_held_slots),
	KUNIT_CASE_SLOW(flush_races_with_mapping),
	KUNIT_CASE(probe_maps_page_during_flush),
	KUNIT_CASE(flush_sends_one_ipi),
	KUNIT_CASE(other_protection_is_eager),
	KUNIT_CASE(lazy_and_eager_nested),
	KUNIT_CASE(lazy_and_eager_out_of_order),
	KUNIT_CASE(pfn_prot_is_lazy_with_highmem),
	KUNIT_CASE(io_mapping_is_eager),
	{}
};

/* A probe may map pages in a slot that a case checks. */
static int init_with_probes_paused(struct kunit *test)
{
	hmk_pause_probes(test);
	return hmk_remember_task(test);
}

static struct kunit_suite highmem_lazy_suite = {
	.name = "highmem_lazy",
	.init = init_with_probes_paused,
	.exit = hmk_check_task,
	.test_cases = highmem_lazy_cases,
};

kunit_test_suites(&highmem_lazy_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: what stays in the slots");
MODULE_LICENSE("GPL");
