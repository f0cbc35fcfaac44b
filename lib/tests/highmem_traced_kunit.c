// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_traced": tracers that map pages. See highmem_kunit.h and
 * highmem_kunit_inside.h.
 *
 * A probe at a tracepoint runs in the midst of other code: with the runqueue locked,
 * in the entry of an interrupt, in an allocation, in kmap() itself. The probe maps
 * pages of its own, checks them and unmaps them. Each case has the probes while it
 * runs. The parameter "highmem_traced" on the kernel's command line starts them at
 * boot, so that all suites run with them.
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

#include "highmem_kunit_inside.h"

#if defined(CONFIG_TRACEPOINTS) && defined(CONFIG_HIGHMEM)

/* -------------------------------------------------------------------- probes */

#define LEVELS		2	/* probes on top of each other */
#define PROBE_PAGES	3
#define COPY_WORDS	4
#define LEAST		10	/* probes at each tracepoint */
#define BUILD_ID_BYTE	0xa7

/* The pages of a CPU, other ones for each level, and the salt of their stamps */
struct tracer {
	unsigned int level;
	unsigned int turn;
	unsigned int round;
	struct page *page[LEVELS * PROBE_PAGES];
	u32 salt[LEVELS * PROBE_PAGES];
	/* Both must stay 0 */
	unsigned int bad;		/* wrong data */
	unsigned int unbalanced;	/* the depth is not the one from before the probe */
};

static DEFINE_PER_CPU(struct tracer, tracers);

/* Tracepoints by name. One in @every calls of the probe maps pages */
static struct point {
	const char *name;
	unsigned int every;
	bool rare;		/* no case depends on it */
	bool full;		/* the stack has no room */
	struct tracepoint *tracepoint;
	atomic_t maps;
} points[] = {
	{ .name = "sched_switch", .every = 1 },
	{ .name = "sched_wakeup", .every = 1 },
	{ .name = "sched_waking", .every = 1 },
	{ .name = "sched_migrate_task", .every = 1 },
	{ .name = "irq_handler_entry", .every = 1 },
	{ .name = "softirq_entry", .every = 2 },
	{ .name = "hrtimer_expire_entry", .every = 1 },
	{ .name = "page_fault_kernel", .every = 4 },
	/* The guest has no process in user mode */
	{ .name = "page_fault_user", .every = 1, .rare = true },
	{ .name = "mm_page_alloc", .every = 8 },
	{ .name = "mm_page_free", .every = 8 },
	{ .name = "kmalloc", .every = 4 },
	{ .name = "kmem_cache_alloc", .every = 4 },
	{ .name = "irq_disable", .every = 64 },
	{ .name = "irq_enable", .every = 64 },
	{ .name = "preempt_disable", .every = 256 },
	{ .name = "preempt_enable", .every = 256 },
	{ .name = "pkmap_fill", .every = 8 },
	{ .name = "pkmap_reclaim", .every = 1 },
	{ .name = "kmap_local_overflow", .every = 1, .full = true },
};

/* How many slots a mapping takes */
#ifdef KMAP_LOCAL_STEP
#define KM_SLOTS	KMAP_LOCAL_STEP
#else
#define KM_SLOTS	(IS_ENABLED(CONFIG_DEBUG_KMAP_LOCAL) ? 2 : 1)
#endif

/*
 * Does the stack have room for @nr pages of a probe? Interrupts of the suites need slots
 * above. 15 mappings nest at most: TASK_MAPS of a task, VISIT_MAPS of a softirq, and
 * VISIT_MAPS of an interrupt.
 */
static bool is_room(unsigned int nr)
{
	unsigned int most = TASK_MAPS;

	if (in_nmi() || in_hardirq() || irqs_disabled())
		most += 2 * VISIT_MAPS - 2;
	else if (in_softirq())
		most += VISIT_MAPS - 1;
	return map_depth(current) + nr * KM_SLOTS <= most * KM_SLOTS;
}

static void copy_words(struct tracer *tracer, struct page *page, u32 salt)
{
	u32 words[COPY_WORDS] = { salt, salt + 1, salt + 2, salt + 3 };
	u32 copy[COPY_WORDS];

	/* Between two words of the stamp */
	memcpy_to_page(page, 2 * sizeof(u32), (char *)words, sizeof(words));
	memcpy_from_page((char *)copy, page, 2 * sizeof(u32), sizeof(copy));
	tracer->bad += memcmp(words, copy, sizeof(words)) != 0;
}

static void use_pages(struct tracer *tracer, unsigned int level, unsigned int nr, bool atomic)
{
	struct page **page = &tracer->page[level * PROBE_PAGES];
	u32 *salt = &tracer->salt[level * PROBE_PAGES];
	void *addr[PROBE_PAGES];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		addr[i] = atomic ? kmap_atomic(page[i]) : kmap_local_page(page[i]);
		tracer->bad += !stamped(addr[i], page[i], salt[i]);
		stamp(addr[i], page[i], ++salt[i]);
	}
	while (i--) {
		tracer->bad += !stamped(addr[i], page[i], salt[i]);
		if (atomic)
			kunmap_atomic(addr[i]);
		else
			kunmap_local(addr[i]);
	}
	if (nr == 1)
		copy_words(tracer, page[0], salt[0]);
}

/* Another mapping beyond the stack. With no slot left at all its address faults. */
static void use_one_more(struct tracer *tracer, unsigned int level)
{
	struct page *page = tracer->page[level * PROBE_PAGES];
	void *addr = kmap_local_page(page);

	tracer->bad += readable(addr) &&
		       !stamped_nofault(addr, page, tracer->salt[level * PROBE_PAGES]);
	kunmap_local(addr);
}

/* An ELF file and the mm that maps it */
static struct binary {
	struct mm_struct *mm;
	unsigned long addr;
	atomic_t parsed;
	atomic_t locked;	/* mmap_lock was held for writing */
	atomic_t wrong;
} binary;

/* Releases mmap_lock from an interrupt: a probe may run with the runqueue locked */
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

/* The steps of bpf_get_stack() for a build id, which also run below the runqueue's lock */
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
	/* The interrupt releases the lock; lockdep does not see it do so. */
	rwsem_release(&mm->mmap_lock.dep_map, _THIS_IP_);
	irq_work_queue(&unlock->irq_work);
}

/*
 * Preemption is off. The tracepoint passes more arguments than @data; the caller removes
 * them. An interrupt that runs a probe as well restores the level.
 */
static void probe(void *data)
{
	struct tracer *tracer = raw_cpu_ptr(&tracers);
	unsigned int level = READ_ONCE(tracer->level);
	unsigned int slots = map_depth(current);
	struct point *point = data;
	unsigned int nr = 1 + tracer->round / 2 % PROBE_PAGES;
	bool atomic = tracer->round & 1;

	if (level == LEVELS || READ_ONCE(hmk_alone))
		return;
	if (tracer->turn++ % point->every || (!point->full && !is_room(nr)))
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
	tracer->unbalanced += map_depth(current) != slots;
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

static void stop_probes(void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(points); i++) {
		if (points[i].tracepoint)
			tracepoint_probe_unregister(points[i].tracepoint, probe, &points[i]);
	}
	tracepoint_synchronize_unregister();
	hmk_probes = false;
	put_pages();
}

static int start_probes(void)
{
	unsigned int i;
	int err = get_pages();

	hmk_probes = true;
	for_each_kernel_tracepoint(find_point, NULL);
	for (i = 0; i < ARRAY_SIZE(points) && !err; i++) {
		if (points[i].tracepoint)
			err = tracepoint_probe_register(points[i].tracepoint, probe, &points[i]);
	}
	return err;
}

static bool from_boot_on;

core_param(highmem_traced, from_boot_on, bool, 0);

/* KUnit runs its suites after all initcalls. */
static int __init probe_from_boot_on(void)
{
	return from_boot_on ? start_probes() : 0;
}
late_initcall(probe_from_boot_on);

static void want_probes(struct kunit *test)
{
	if (from_boot_on)
		return;
	KUNIT_ASSERT_EQ(test, start_probes(), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_probes, NULL), 0);
}

static void check_probes(struct kunit *test)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct tracer *tracer = &per_cpu(tracers, cpu);

		KUNIT_EXPECT_EQ_MSG(test, tracer->bad, 0, "on CPU %d", cpu);
		KUNIT_EXPECT_EQ_MSG(test, tracer->unbalanced, 0, "on CPU %d", cpu);
	}
}

/* ------------------------------------------------- leaving the CPU while mapped */

#define LEAVERS_PER_CPU	6

struct leaver {
	struct page *page;
	struct worker *worker;
	struct rnd_state rnd;
	unsigned int rounds;
	unsigned int wrong;
};

static void leave_cpu(struct leaver *leaver)
{
	switch (prandom_u32_state(&leaver->rnd) % 4) {
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

/* The task is scheduled out with a page mapped, and so is pinned until it unmaps that */
static void map_and_leave(struct worker *worker)
{
	struct leaver *leaver = worker->data;

	while (!worker_stopped(worker)) {
		void *addr = kmap_local_page(leaver->page);
		unsigned int cpu = raw_smp_processor_id();

		leave_cpu(leaver);
		leaver->wrong += raw_smp_processor_id() != cpu ||
				 !stamped_nofault(addr, leaver->page, 160);
		kunmap_local(addr);
		leaver->rounds++;
	}
}

static void start_leavers(struct kunit *test, struct leaver *leaver, unsigned int nr,
			  void (*run)(struct worker *))
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		leaver[i].page = hmk_get_page(test, true);
		stamp_page(leaver[i].page, 160);
		prandom_seed_state(&leaver[i].rnd, 700 + i);
		leaver[i].worker = hmk_start_worker(test, -1, run, &leaver[i]);
	}
}

static void end_leavers(struct kunit *test, struct leaver *leaver, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		WRITE_ONCE(leaver[i].worker->stop, true);
	for (i = 0; i < nr; i++) {
		hmk_join_worker(test, leaver[i].worker);
		KUNIT_EXPECT_EQ(test, leaver[i].wrong, 0);
		KUNIT_EXPECT_GT(test, leaver[i].rounds, 0);
	}
}

/* The affinity of the tasks changes while they are pinned */
static void tasks_scheduled_while_mapped(struct kunit *test)
{
	unsigned int nr = LEAVERS_PER_CPU * num_online_cpus();
	unsigned long end = jiffies + 4 * HZ;
	struct leaver *leaver = hmk_zalloc(test, nr * sizeof(*leaver));
	unsigned int i, cpu = first_cpu();

	want_probes(test);
	start_leavers(test, leaver, nr, map_and_leave);
	for (i = 0; time_before(jiffies, end); i++) {
		const struct cpumask *mask = i % 3 ? cpumask_of(cpu) : cpu_online_mask;

		KUNIT_EXPECT_EQ(test, set_cpus_allowed_ptr(leaver[i % nr].worker->task, mask), 0);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = first_cpu();
		usleep_range(100, 300);
	}
	end_leavers(test, leaver, nr);
	check_probes(test);
}

/* ---------------------------------------------- leaving the CPU in the midst of it */

#if OURS && defined(CONFIG_DEBUG_HIGHMEM_RACES)
/* The task is scheduled out in window number @at */
static struct window {
	struct task_struct *task;
	unsigned int at;
	unsigned int seen;
} window;

static void leave_in_window(void)
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

/* Is scheduled out with the page mapped, and again in window @at of kunmap_local() */
static bool leave_twice(struct page *page, unsigned int at)
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

static void task_leaves_while_unmapping(struct kunit *test)
{
	struct page *page = hmk_get_page(test, true);
	unsigned int wrong = 0, at = 0;

	NEEDS(test, is_lazy(), "kunmap_local() of this kernel clears the PTE with preemption off");
	stamp_page(page, 161);
	want_probes(test);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_windows, NULL), 0);
	WRITE_ONCE(highmem_race_visit, leave_in_window);
	do {
		wrong += !leave_twice(page, at);
	} while (window.seen > at && ++at < 100);
	kunit_info(test, "%u windows\n", at);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_GT(test, at, 0);
	KUNIT_EXPECT_LT(test, at, 100);
	check_probes(test);
}
#else
static void task_leaves_while_unmapping(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_DEBUG_HIGHMEM_RACES");
}
#endif

/* ------------------------------------------------------------- after a leak */

struct leak {
	struct page *page;
	bool slept;		/* with the page mapped */
	unsigned int depth;
	unsigned int pinned;
};

/* The return to user space takes the leaked mapping away. Then the task sleeps. */
static void leak_and_go_on(struct worker *worker)
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
	want_probes(test);
	hmk_provoke(test, "back to user space");
	hmk_join_worker(test, hmk_start_worker(test, -1, leak_and_go_on, leak));
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, leak->depth, 0);
	KUNIT_EXPECT_EQ(test, leak->pinned, 0);
	check_probes(test);
}

static void task_goes_on_after_leak(struct kunit *test)
{
	NEEDS_OURS(test);
	check_leak(test, false);
}

static void pinned_task_goes_on_after_leak(struct kunit *test)
{
	NEEDS_OURS(test);
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

/* The note and the tables are in different pages */
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

/* Takes mmap_lock for writing, twice, and has a page fault in between */
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

/* A task with that mm */
static void run_binary(struct worker *worker)
{
	kthread_use_mm(binary.mm);
	map_and_leave(worker);
	kthread_unuse_mm(binary.mm);
}

static void build_ids_of_tasks(struct kunit *test)
{
	struct file *file = get_binary(test);
	struct leaver *leaver = hmk_zalloc(test, MM_TASKS * sizeof(*leaver));
	unsigned long end = jiffies + 2 * HZ;
	unsigned int wrong = 0;
	struct page *page;

	page = shmem_read_mapping_page(file->f_mapping, NOTE_OFF / PAGE_SIZE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, page);
	KUNIT_EXPECT_TRUE(test, PageHighMem(page));
	put_page(page);
	want_probes(test);
	binary.addr = kunit_vm_mmap(test, file, 0, FILE_SIZE, PROT_READ | PROT_EXEC,
				    MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(binary.addr));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_build_ids, NULL), 0);
	WRITE_ONCE(binary.mm, current->mm);
	start_leavers(test, leaver, MM_TASKS, run_binary);
	while (time_before(jiffies, end))
		wrong += !map_and_touch();
	end_leavers(test, leaver, MM_TASKS);
	kunit_release_action(test, end_build_ids, NULL);

	kunit_info(test, "%d build ids, %d times the mm was locked\n",
		   atomic_read(&binary.parsed), atomic_read(&binary.locked));
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_GT(test, atomic_read(&binary.parsed), 100);
	KUNIT_EXPECT_GT(test, atomic_read(&binary.locked), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&binary.wrong), 0);
	check_probes(test);
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
#endif

/* No device of the guest has an interrupt, but for the clock if it is told to. */
static void probes_in_interrupt_handlers(struct kunit *test)
{
#ifdef CONFIG_X86
	atomic_t *ticks = hmk_zalloc(test, sizeof(*ticks));

	want_probes(test);
	KUNIT_ASSERT_EQ(test, request_irq(RTC_INTERRUPT, count_tick, 0, "highmem_kunit", ticks), 0);
	let_clock_tick(true);
	msleep(300);
	let_clock_tick(false);
	free_irq(RTC_INTERRUPT, ticks);
	KUNIT_EXPECT_GE(test, atomic_read(ticks), LEAST);
	check_probes(test);
#else
	kunit_skip(test, "needs the clock of a PC");
#endif
}

/* ------------------------------------------------------------------ the count */

/* Runs behind all other suites */
static void every_probe_came(struct kunit *test)
{
	unsigned int i;

	NEEDS(test, from_boot_on, "needs highmem_traced on the command line");
	for (i = 0; i < ARRAY_SIZE(points); i++) {
		struct point *point = &points[i];

		kunit_info(test, "%s: %d\n", point->name, atomic_read(&point->maps));
		if (!point->rare)
			KUNIT_EXPECT_GE_MSG(test, atomic_read(&point->maps), LEAST,
					    "probes at %s", point->name);
	}
	check_probes(test);
}

#else

static void needs_tracepoints(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_TRACEPOINTS and CONFIG_HIGHMEM");
}

#endif

static struct kunit_case highmem_traced_cases[] = {
#if defined(CONFIG_TRACEPOINTS) && defined(CONFIG_HIGHMEM)
	KUNIT_CASE(task_leaves_while_unmapping),
	KUNIT_CASE_SLOW(tasks_scheduled_while_mapped),
	KUNIT_CASE(task_goes_on_after_leak),
	KUNIT_CASE(pinned_task_goes_on_after_leak),
	KUNIT_CASE_SLOW(build_ids_of_tasks),
	KUNIT_CASE(probes_in_interrupt_handlers),
	KUNIT_CASE(every_probe_came),
#else
	KUNIT_CASE(needs_tracepoints),
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
