// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_traced": tracers that map pages. See highmem_kunit.h and
 * highmem_kunit_whitebox.h.
 *
 * A probe at a tracepoint runs between any two steps of other code: with the run queue
 * locked, in the entry of an interrupt, in an allocation, in kmap(). The probe maps, checks
 * and unmaps its own pages. hmk_check_task() reports faults of probes in the case during
 * which they happen. Each case of this suite registers the probes. The parameter
 * "highmem_traced" on the command line registers them at boot, for all suites.
 */

#include <linux/buildid.h>
#include <linux/delay.h>
#include <linux/elf.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/shmem_fs.h>
#include <linux/tracepoint.h>

#ifdef CONFIG_X86
#include <linux/mc146818rtc.h>
#endif

#include "highmem_kunit_whitebox.h"

#if defined(CONFIG_TRACEPOINTS) && defined(CONFIG_HIGHMEM)

/* -------------------------------------------------------------------- probes */

#define LEVELS		2	/* probes that interrupt each other */
#define PROBE_PAGES	3
#define COPY_WORDS	4
#define MIN_MAPS	10	/* probes that must map pages, at each tracepoint */
#define BUILD_ID_BYTE	0xa7

/* The pages of a CPU's probes, with their salts. Each level has its own pages. */
struct tracer {
	unsigned int level;
	unsigned int turn;
	unsigned int round;
	struct page *page[LEVELS * PROBE_PAGES];
	u32 salt[LEVELS * PROBE_PAGES];
};

static DEFINE_PER_CPU(struct tracer, tracers);

#define TRACED_IRQS		(IS_ENABLED(CONFIG_PREEMPTIRQ_TRACEPOINTS) && \
				 IS_ENABLED(CONFIG_TRACE_IRQFLAGS))
#define TRACED_PREEMPTION	(IS_ENABLED(CONFIG_PREEMPTIRQ_TRACEPOINTS) && \
				 IS_ENABLED(CONFIG_TRACE_PREEMPT_TOGGLE))

/* One in @every calls of a probe maps pages. */
static struct point {
	const char *name;
	unsigned int every;
	bool absent;		/* not in this configuration or load */
	bool full;		/* runs when the stack is full */
	struct tracepoint *tracepoint;
	atomic_t maps;
	unsigned int maps_before;
} points[] = {
	{ .name = "sched_switch", .every = 1 },
	{ .name = "sched_wakeup", .every = 1 },
	{ .name = "sched_waking", .every = 1 },
	{ .name = "sched_migrate_task", .every = 1 },
	{ .name = "irq_handler_entry", .every = 1, .absent = !IS_ENABLED(CONFIG_X86) },
	{ .name = "softirq_entry", .every = 2 },
	{ .name = "hrtimer_expire_entry", .every = 1 },
	{ .name = "page_fault_kernel", .every = 4, .absent = !IS_ENABLED(CONFIG_X86) },
	/* No task runs in user mode. */
	{ .name = "page_fault_user", .every = 1, .absent = true },
	{ .name = "mm_page_alloc", .every = 8 },
	{ .name = "mm_page_free", .every = 8 },
	{ .name = "kmalloc", .every = 4 },
	{ .name = "kmem_cache_alloc", .every = 4 },
	{ .name = "irq_disable", .every = 64, .absent = !TRACED_IRQS },
	{ .name = "irq_enable", .every = 64, .absent = !TRACED_IRQS },
	{ .name = "preempt_disable", .every = 256, .absent = !TRACED_PREEMPTION },
	{ .name = "preempt_enable", .every = 256, .absent = !TRACED_PREEMPTION },
	{ .name = "pkmap_fill", .every = 8 },
	{ .name = "pkmap_reclaim", .every = 1 },
	{ .name = "kmap_local_overflow", .every = 1, .full = true },
};

/* The slots of a mapping of one page. */
#ifdef KMAP_LOCAL_STEP
#define KM_SLOTS	KMAP_LOCAL_STEP
#else
#define KM_SLOTS	(IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL) ? 2 : 1)
#endif

/*
 * Has the stack room for @nr pages of a probe? Interrupts of the suites need slots above
 * them. A stack has room for 15 mappings: TASK_MAPS of a task, INTERRUPT_MAPS of a
 * softirq, and INTERRUPT_MAPS of a hard interrupt.
 */
static bool has_room(unsigned int nr)
{
	unsigned int most = TASK_MAPS;

	if (in_nmi() || in_hardirq() || irqs_disabled())
		most += 2 * INTERRUPT_MAPS - 2;
	else if (in_softirq())
		most += INTERRUPT_MAPS - 1;
	return map_depth(current) + nr * KM_SLOTS <= most * KM_SLOTS;
}

static void expect_in_probe(bool good)
{
	if (!good)
		atomic_inc(&hmk_probe_faults);
}

static void copy_words(struct page *page, u32 salt)
{
	u32 words[COPY_WORDS] = { salt, salt + 1, salt + 2, salt + 3 };
	u32 copy[COPY_WORDS];

	/* Between two words of the stamp. */
	memcpy_to_page(page, 2 * sizeof(u32), (char *)words, sizeof(words));
	memcpy_from_page((char *)copy, page, 2 * sizeof(u32), sizeof(copy));
	expect_in_probe(!memcmp(words, copy, sizeof(words)));
}

static void use_pages(struct tracer *tracer, unsigned int level, unsigned int nr, bool atomic)
{
	struct page **page = &tracer->page[level * PROBE_PAGES];
	u32 *salt = &tracer->salt[level * PROBE_PAGES];
	void *addr[PROBE_PAGES];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		addr[i] = atomic ? kmap_atomic(page[i]) : kmap_local_page(page[i]);
		expect_in_probe(stamped(addr[i], page[i], salt[i]));
		stamp(addr[i], page[i], ++salt[i]);
	}
	while (i--) {
		expect_in_probe(stamped(addr[i], page[i], salt[i]));
		if (atomic)
			kunmap_atomic(addr[i]);
		else
			kunmap_local(addr[i]);
	}
	if (nr == 1)
		copy_words(page[0], salt[0]);
}

/*
 * Maps a page when the stack is full. Without an overflow slot the address faults.
 */
static void use_one_more(struct tracer *tracer, unsigned int level)
{
	struct page *page = tracer->page[level * PROBE_PAGES];
	void *addr = kmap_local_page(page);

	expect_in_probe(!readable(addr) ||
			stamped_nofault(addr, page, tracer->salt[level * PROBE_PAGES]));
	kunmap_local(addr);
}

/* An ELF file, and the mm that has mapped the file. */
static struct binary {
	struct mm_struct *mm;
	unsigned long addr;
	atomic_t parsed;
	atomic_t locked;	/* mmap_lock was held for writing */
	atomic_t wrong;
} binary;

/* Releases mmap_lock in an interrupt: the probe may run with the run queue locked. */
struct unlock {
	struct irq_work irq_work;
	struct mm_struct *mm;
	atomic_t busy;
};

static void unlock_mm(struct irq_work *irq_work)
{
	struct unlock *unlock = container_of(irq_work, struct unlock, irq_work);

	mmap_read_unlock_non_owner(unlock->mm);
	atomic_set_release(&unlock->busy, 0);
}

static DEFINE_PER_CPU(struct unlock, unlocks) = {
	.irq_work = IRQ_WORK_INIT_HARD(unlock_mm),
};

static void check_build_id(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma = find_vma(mm, addr);
	unsigned char id[BUILD_ID_SIZE_MAX];
	__u32 size;

	if (vma && !build_id_parse_nofault(vma, id, &size) &&
	    size == BUILD_ID_SIZE_MAX && !memchr_inv(id, BUILD_ID_BYTE, size))
		atomic_inc(&binary.parsed);
	else
		atomic_inc(&binary.wrong);
}

/* Parses a build ID as bpf_get_stack() does, which may run with the run queue locked. */
static void parse_build_id(void)
{
	struct unlock *unlock = raw_cpu_ptr(&unlocks);
	struct mm_struct *mm = READ_ONCE(binary.mm);

	if (!mm || current->mm != mm || in_nmi() || irq_work_is_busy(&unlock->irq_work) ||
	    atomic_cmpxchg_acquire(&unlock->busy, 0, 1))
		return;
	if (!mmap_read_trylock(mm)) {
		atomic_inc(&binary.locked);
		atomic_set_release(&unlock->busy, 0);
		return;
	}
	check_build_id(mm, binary.addr);
	unlock->mm = mm;
	/* lockdep does not see that the interrupt releases the lock. */
	rwsem_release(&mm->mmap_lock.dep_map, _THIS_IP_);
	irq_work_queue(&unlock->irq_work);
}

/*
 * Called with preemption off. Tracepoints pass more arguments than @data, which the caller
 * removes from the stack. Another probe that interrupts this one restores the level.
 */
static void probe(void *data)
{
	struct tracer *tracer = raw_cpu_ptr(&tracers);
	unsigned int level = READ_ONCE(tracer->level);
	unsigned int slots = map_depth(current);
	struct point *point = data;
	unsigned int nr = 1 + tracer->round / 2 % PROBE_PAGES;
	bool atomic = tracer->round & 1;

	if (level == LEVELS || READ_ONCE(hmk_probes_paused))
		return;
	if (tracer->turn++ % point->every || (!point->full && !has_room(nr)))
		return;
	tracer->round++;
	WRITE_ONCE(tracer->level, level + 1);
	barrier();
	if (point->full)
		use_one_more(tracer, level);
	else
		use_pages(tracer, level, nr, atomic);
	parse_build_id();
	barrier();
	WRITE_ONCE(tracer->level, level);
	expect_in_probe(map_depth(current) == slots);
	atomic_inc(&point->maps);
}

static void find_point(struct tracepoint *tracepoint, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(points); i++) {
		if (!strcmp(points[i].name, tracepoint->name))
			points[i].tracepoint = tracepoint;
	}
}

static void put_pages(void)
{
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu) {
		struct page **page = per_cpu(tracers, cpu).page;

		for (i = 0; i < LEVELS * PROBE_PAGES; i++) {
			if (page[i])
				__free_page(page[i]);
			page[i] = NULL;
		}
	}
}

static int get_pages(void)
{
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu) {
		struct tracer *tracer = &per_cpu(tracers, cpu);

		for (i = 0; i < LEVELS * PROBE_PAGES; i++) {
			struct page *page = alloc_page(GFP_HIGHUSER);

			if (!page) {
				put_pages();
				return -ENOMEM;
			}
			tracer->page[i] = page;
			stamp_page(page, tracer->salt[i]);
		}
	}
	return 0;
}

static void unregister_probes(void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(points); i++) {
		if (points[i].tracepoint)
			tracepoint_probe_unregister(points[i].tracepoint, probe, &points[i]);
	}
	tracepoint_synchronize_unregister();
	hmk_probes_registered = false;
	put_pages();
}

static int register_all_probes(void)
{
	unsigned int i;
	int err = get_pages();

	hmk_probes_registered = true;
	for_each_kernel_tracepoint(find_point, NULL);
	for (i = 0; i < ARRAY_SIZE(points) && !err; i++) {
		if (points[i].tracepoint)
			err = tracepoint_probe_register(points[i].tracepoint, probe, &points[i]);
	}
	return err;
}

static bool from_boot_on;

core_param(highmem_traced, from_boot_on, bool, 0);

/* Before the suites, which run after all initcalls. */
static int __init probe_from_boot_on(void)
{
	return from_boot_on ? register_all_probes() : 0;
}
late_initcall(probe_from_boot_on);

static void register_probes(struct kunit *test)
{
	if (from_boot_on)
		return;
	KUNIT_ASSERT_EQ(test, register_all_probes(), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, unregister_probes, NULL), 0);
}

/* ----------------------------------------------------- sleep with a page mapped */

#define SLEEPERS_PER_CPU	6

struct sleeper {
	struct page *page;
	struct worker *worker;
	struct rnd_state rnd;
	unsigned int rounds;
	unsigned int wrong;
};

static void sleep_or_yield(struct sleeper *sleeper)
{
	switch (prandom_u32_state(&sleeper->rnd) % 4) {
	case 0:
		usleep_range(20, 200);
		break;
	case 1:
		schedule_timeout_uninterruptible(1);
		break;
	case 2:
		schedule();
		break;
	default:
		cond_resched();
		break;
	}
}

/* Sleeps or yields with a page mapped, so the scheduler pins the task. */
static void map_and_sleep(struct worker *worker)
{
	struct sleeper *sleeper = worker->data;

	while (!worker_stopped(worker)) {
		void *addr = kmap_local_page(sleeper->page);
		unsigned int cpu = raw_smp_processor_id();

		sleep_or_yield(sleeper);
		sleeper->wrong += raw_smp_processor_id() != cpu ||
				 !stamped_nofault(addr, sleeper->page, 160);
		kunmap_local(addr);
		sleeper->rounds++;
	}
}

static void start_sleepers(struct kunit *test, struct sleeper *sleeper, unsigned int nr,
			   void (*run)(struct worker *))
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		sleeper[i].page = hmk_get_page(test, true);
		stamp_page(sleeper[i].page, 160);
		prandom_seed_state(&sleeper[i].rnd, 700 + i);
		sleeper[i].worker = hmk_start_worker(test, -1, run, &sleeper[i]);
	}
}

static void end_sleepers(struct kunit *test, struct sleeper *sleeper, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		WRITE_ONCE(sleeper[i].worker->stop, true);
	for (i = 0; i < nr; i++) {
		hmk_join_worker(test, sleeper[i].worker);
		KUNIT_EXPECT_EQ(test, sleeper[i].wrong, 0);
		KUNIT_EXPECT_GT(test, sleeper[i].rounds, 0);
	}
}

/* Changes the affinity of tasks that are pinned. */
static void move_sleepers(struct kunit *test, struct sleeper *sleeper, unsigned int nr,
			  unsigned int moves)
{
	unsigned int i, cpu = first_cpu();

	for (i = 0; i < moves; i++) {
		const struct cpumask *mask = i % 3 ? cpumask_of(cpu) : cpu_online_mask;

		KUNIT_EXPECT_EQ(test, set_cpus_allowed_ptr(sleeper[i % nr].worker->task, mask), 0);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = first_cpu();
		usleep_range(100, 300);
	}
}

static void tasks_scheduled_while_mapped(struct kunit *test)
{
	unsigned int nr = SLEEPERS_PER_CPU * num_online_cpus();
	unsigned long end = jiffies + 4 * HZ;
	struct sleeper *sleeper = hmk_zalloc(test, nr * sizeof(*sleeper));

	register_probes(test);
	start_sleepers(test, sleeper, nr, map_and_sleep);
	while (time_before(jiffies, end))
		move_sleepers(test, sleeper, nr, 3 * nr);
	end_sleepers(test, sleeper, nr);
}

/* --------------------------------------------------------- sleep in kunmap_local() */

#if HAVE_INTERNALS && defined(CONFIG_DEBUG_HIGHMEM_RACES)
/* The task sleeps in window number @at. */
static struct window {
	struct task_struct *task;
	unsigned int at;
	unsigned int seen;
} window;

static void sleep_in_window(void)
{
	struct task_struct *task = READ_ONCE(window.task);

	if (current != task || !preemptible() || window.seen++ != window.at)
		return;
	WRITE_ONCE(window.task, NULL);
	schedule_timeout_uninterruptible(1);
	WRITE_ONCE(window.task, task);
}

static void end_windows(void *unused)
{
	WRITE_ONCE(highmem_race_visit, NULL);
	WRITE_ONCE(window.task, NULL);
}

/* Sleeps with the page mapped, and in window number @at of kunmap_local(). */
static bool sleep_twice(struct page *page, unsigned int at)
{
	void *addr = kmap_local_page(page);
	bool good;

	schedule_timeout_uninterruptible(1);
	good = stamped_nofault(addr, page, 161);
	window.at = at;
	window.seen = 0;
	WRITE_ONCE(window.task, current);
	kunmap_local(addr);
	WRITE_ONCE(window.task, NULL);
	return good;
}

static void task_sleeps_in_kunmap_local(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	unsigned int wrong = 0, at = 0;

	REQUIRES(test, is_lazy(), "kunmap_local() clears the PTE with preemption off");
	stamp_page(page, 161);
	register_probes(test);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_windows, NULL), 0);
	WRITE_ONCE(highmem_race_visit, sleep_in_window);
	do {
		wrong += !sleep_twice(page, at);
	} while (window.seen > at && ++at < 100);
	kunit_info(test, "%u windows\n", at);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_GT(test, at, 0);
	KUNIT_EXPECT_LT(test, at, 100);
}
#else
static void task_sleeps_in_kunmap_local(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_DEBUG_HIGHMEM_RACES");
}
#endif

/* ------------------------------------------------------------- after a leak */

struct leak {
	struct page *page;
	bool slept;		/* sleep before the return to user space */
	unsigned int depth;
	unsigned int pinned;
};

/* Returns to user space with a page mapped, which unmaps the page, then sleeps. */
static void leak_and_sleep(struct worker *worker)
{
	struct leak *leak = worker->data;
	unsigned int i;
	void *addr;

	kmap_local_page(leak->page);
	if (leak->slept)
		usleep_range(1000, 2000);
	local_irq_disable();
	kmap_assert_nomap();
	local_irq_enable();
	leak->depth = map_depth(current);
	for (i = 0; i < 50; i++)
		usleep_range(100, 200);
	addr = kmap_local_page(leak->page);
	usleep_range(100, 200);
	kunmap_local(addr);
#ifdef CONFIG_SMP
	leak->pinned = current->migration_disabled;
#endif
}

static void check_leak(struct kunit *test, bool slept)
{
	struct leak *leak = hmk_zalloc(test, sizeof(*leak));

	leak->page = hmk_get_page(test, true);
	leak->slept = slept;
	register_probes(test);
	hmk_provoke(test, "returns to user space");
	hmk_join_worker(test, hmk_start_worker(test, -1, leak_and_sleep, leak));
	hmk_provoked(test);
	hmk_expect_report(test, "returns to user space");
	KUNIT_EXPECT_EQ(test, leak->depth, 0);
	KUNIT_EXPECT_EQ(test, leak->pinned, 0);
}

static void task_after_leak(struct kunit *test)
{
	REQUIRES_INTERNALS(test);
	check_leak(test, false);
}

static void pinned_task_after_leak(struct kunit *test)
{
	REQUIRES_INTERNALS(test);
	check_leak(test, true);
}

/* ---------------------------------------------------------------- build ids */

#define FILE_SIZE	(4 * PAGE_SIZE)
#define NOTE_OFF	(2 * PAGE_SIZE + 64)
#define NOTE_TYPE	3
#define MM_TASKS	3

static void put_file(void *file)
{
	fput(file);
}

/* The headers and the note are in different pages. */
static struct file *get_binary(struct kunit *test)
{
	struct file *file = shmem_kernel_file_setup("highmem_traced", FILE_SIZE, 0);
	u8 *image = hmk_get_vbuf(test, FILE_SIZE);
	struct elf32_note *nhdr = (void *)(image + NOTE_OFF);
	struct elf32_hdr *ehdr = (void *)image;
	struct elf32_phdr *phdr = (void *)(ehdr + 1);
	loff_t pos = 0;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_file, file), 0);
	memcpy(ehdr->e_ident, ELFMAG, SELFMAG);
	ehdr->e_ident[EI_CLASS] = ELFCLASS32;
	ehdr->e_type = ET_DYN;
	ehdr->e_phoff = sizeof(*ehdr);
	ehdr->e_phnum = 1;
	phdr->p_type = PT_NOTE;
	phdr->p_offset = NOTE_OFF;
	phdr->p_filesz = sizeof(*nhdr) + sizeof("GNU") + BUILD_ID_SIZE_MAX;
	nhdr->n_namesz = sizeof("GNU");
	nhdr->n_descsz = BUILD_ID_SIZE_MAX;
	nhdr->n_type = NOTE_TYPE;
	memcpy(nhdr + 1, "GNU", sizeof("GNU"));
	memset((u8 *)(nhdr + 1) + sizeof("GNU"), BUILD_ID_BYTE, BUILD_ID_SIZE_MAX);
	KUNIT_ASSERT_EQ(test, kernel_write(file, image, FILE_SIZE, &pos), FILE_SIZE);
	return file;
}

static void end_build_ids(void *unused)
{
	int cpu;

	WRITE_ONCE(binary.mm, NULL);
	tracepoint_synchronize_unregister();
	for_each_possible_cpu(cpu)
		irq_work_sync(&per_cpu(unlocks, cpu).irq_work);
}

/* Takes mmap_lock for writing twice, and has a page fault in between. */
static bool map_and_touch(void)
{
	unsigned long addr = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, 0);
	bool good;

	if (IS_ERR_VALUE(addr))
		return false;
	good = !put_user(1, (u32 __user *)addr);
	vm_munmap(addr, PAGE_SIZE);
	usleep_range(20, 200);
	return good;
}

/* A task that uses the mm. */
static void run_binary(struct worker *worker)
{
	kthread_use_mm(binary.mm);
	map_and_sleep(worker);
	kthread_unuse_mm(binary.mm);
}

static void build_ids_of_tasks(struct kunit *test)
{
	struct file *file = get_binary(test);
	struct sleeper *sleeper = hmk_zalloc(test, MM_TASKS * sizeof(*sleeper));
	unsigned long end = jiffies + 2 * HZ;
	unsigned int wrong = 0;
	struct page *page;

	page = shmem_read_mapping_page(file->f_mapping, NOTE_OFF / PAGE_SIZE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, page);
	KUNIT_EXPECT_TRUE(test, PageHighMem(page));
	put_page(page);
	register_probes(test);
	binary.addr = kunit_vm_mmap(test, file, 0, FILE_SIZE, PROT_READ | PROT_EXEC,
				    MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(binary.addr));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_build_ids, NULL), 0);
	WRITE_ONCE(binary.mm, current->mm);
	start_sleepers(test, sleeper, MM_TASKS, run_binary);
	while (time_before(jiffies, end))
		wrong += !map_and_touch();
	end_sleepers(test, sleeper, MM_TASKS);
	kunit_release_action(test, end_build_ids, NULL);

	kunit_info(test, "%d build ids, %d times the mm was locked\n",
		   atomic_read(&binary.parsed), atomic_read(&binary.locked));
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_GT(test, atomic_read(&binary.parsed), 100);
	KUNIT_EXPECT_GT(test, atomic_read(&binary.locked), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&binary.wrong), 0);
}

/* -------------------------------------------------------- interrupt handlers */

#ifdef CONFIG_X86
#define RTC_INTERRUPT	8

static irqreturn_t count_tick(int irq, void *ticks)
{
	spin_lock(&rtc_lock);
	CMOS_READ(RTC_INTR_FLAGS);
	spin_unlock(&rtc_lock);
	atomic_inc(ticks);
	return IRQ_HANDLED;
}

static void let_clock_tick(bool on)
{
	unsigned char control;

	spin_lock_irq(&rtc_lock);
	control = CMOS_READ(RTC_CONTROL) & ~RTC_PIE;
	CMOS_WRITE(control | (on ? RTC_PIE : 0), RTC_CONTROL);
	CMOS_READ(RTC_INTR_FLAGS);
	spin_unlock_irq(&rtc_lock);
}

static void stop_clock(void *ticks)
{
	let_clock_tick(false);
	free_irq(RTC_INTERRUPT, ticks);
}

/* No other device of the guest interrupts, so irq_handler_entry needs the clock. */
static atomic_t *start_clock(struct kunit *test)
{
	atomic_t *ticks = hmk_zalloc(test, sizeof(*ticks));

	KUNIT_ASSERT_EQ(test, request_irq(RTC_INTERRUPT, count_tick, 0, "highmem_kunit", ticks), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_clock, ticks), 0);
	let_clock_tick(true);
	return ticks;
}
#else
static atomic_t *start_clock(struct kunit *test) { return NULL; }
#endif

static void probes_in_interrupt_handlers(struct kunit *test)
{
#ifdef CONFIG_X86
	atomic_t *ticks;

	register_probes(test);
	ticks = start_clock(test);
	msleep(300);
	kunit_release_action(test, stop_clock, ticks);
	KUNIT_EXPECT_GE(test, atomic_read(ticks), MIN_MAPS);
#else
	kunit_skip(test, "needs the real-time clock of a PC");
#endif
}

/* ------------------------------------------------- a load for each tracepoint */

#define DEEP_PAGES	20	/* more than the stack has slots for */

struct load {
	struct page_set *set;
	struct page_set *deep;
	const void *unmapped;
	struct sleeper *sleeper;
	unsigned int nr_sleepers;
};

static void use_pool_and_allocators(struct load *load)
{
	struct page_set *set = load->set;
	unsigned int i;

	for (i = 0; i < set->nr; i++) {
		kmap(set->page[i]);
		kunmap(set->page[i]);
		kfree(kmalloc(64, GFP_KERNEL));
		/* vmap() allocates from a kmem_cache. */
		vunmap(vmap(&set->page[i], 1, VM_MAP, PAGE_KERNEL));
		free_page(__get_free_page(GFP_KERNEL));
		readable(load->unmapped);
	}
	kmap_flush_unused();
}

static void overflow_stack(struct load *load)
{
	void *addr[DEEP_PAGES];

	map_all(load->deep, addr, DEEP_PAGES);
	unmap_all(addr, DEEP_PAGES);
}

/* Have the probes run often enough at each tracepoint? */
static bool all_probes_have_run(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(points); i++) {
		struct point *point = &points[i];

		if (!point->absent &&
		    atomic_read(&point->maps) - point->maps_before < MIN_MAPS)
			return false;
	}
	return true;
}

static struct load *start_load(struct kunit *test)
{
	struct load *load = hmk_zalloc(test, sizeof(*load));

	load->set = hmk_get_page_set(test, true, 64);
	load->deep = hmk_get_page_set(test, true, DEEP_PAGES);
	/* vmalloc() leaves a guard page behind each area. */
	load->unmapped = hmk_get_vbuf(test, PAGE_SIZE) + PAGE_SIZE;
	load->nr_sleepers = SLEEPERS_PER_CPU * num_online_cpus();
	load->sleeper = hmk_zalloc(test, load->nr_sleepers * sizeof(*load->sleeper));
	start_sleepers(test, load->sleeper, load->nr_sleepers, map_and_sleep);
	start_clock(test);
	return load;
}

static void probes_at_each_tracepoint(struct kunit *test)
{
	unsigned long end = jiffies + TIMEOUT;
	struct load *load;
	unsigned int i;

	REQUIRES_INTERNALS(test);
	REQUIRES_TWO_CPUS(test);
	register_probes(test);
	for (i = 0; i < ARRAY_SIZE(points); i++)
		points[i].maps_before = atomic_read(&points[i].maps);
	load = start_load(test);
	do {
		use_pool_and_allocators(load);
		overflow_stack(load);
		move_sleepers(test, load->sleeper, load->nr_sleepers, load->nr_sleepers);
	} while (!all_probes_have_run() && time_before(jiffies, end));
	end_sleepers(test, load->sleeper, load->nr_sleepers);

	for (i = 0; i < ARRAY_SIZE(points); i++) {
		struct point *point = &points[i];
		unsigned int maps = atomic_read(&point->maps) - point->maps_before;

		kunit_info(test, "%s: %u\n", point->name, maps);
		if (!point->absent)
			KUNIT_EXPECT_GE_MSG(test, maps, MIN_MAPS, "probes at %s", point->name);
	}
}

#else

static void requires_tracepoints(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_TRACEPOINTS and CONFIG_HIGHMEM");
}

#endif

static struct kunit_case highmem_traced_cases[] = {
#if defined(CONFIG_TRACEPOINTS) && defined(CONFIG_HIGHMEM)
	KUNIT_CASE(task_sleeps_in_kunmap_local),
	KUNIT_CASE_SLOW(tasks_scheduled_while_mapped),
	KUNIT_CASE(task_after_leak),
	KUNIT_CASE(pinned_task_after_leak),
	KUNIT_CASE_SLOW(build_ids_of_tasks),
	KUNIT_CASE(probes_in_interrupt_handlers),
	KUNIT_CASE_SLOW(probes_at_each_tracepoint),
#else
	KUNIT_CASE(requires_tracepoints),
#endif
	{}
};

static struct kunit_suite highmem_traced_suite = {
	.name = "highmem_traced",
	.init = hmk_remember_task,
	.exit = hmk_check_task,
	.test_cases = highmem_traced_cases,
};

kunit_test_suites(&highmem_traced_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: probes at tracepoints");
MODULE_LICENSE("GPL");
