// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_sched": local mappings of tasks that sleep, are preempted,
 * migrate, or lose their CPU, and more mappings than there are slots. See highmem_kunit.h
 * and highmem_kunit_whitebox.h.
 */

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/kprobes.h>
#include <linux/slab.h>

#include "highmem_kunit_whitebox.h"

/* ---------------------------------------------------------------- many tasks */

/* Many tasks on each CPU sleep and yield with pages mapped. */
#define TASKS_PER_CPU		40

struct walker {
	struct walk *walk;
	struct worker *worker;
	unsigned int me;
	unsigned int moved;
};

static void leave_cpu(struct walker *walker)
{
	switch (prandom_u32_state(&walker->walk->rnd) % 6) {
	case 0:
		msleep(20);
		break;
	case 1:
		usleep_range(50, 1000);
		break;
	case 2:
		schedule_timeout_uninterruptible(1);
		break;
	default:
		cond_resched();
		break;
	}
}

static void walk_and_leave_cpu(struct worker *worker)
{
	struct walker *walker = worker->data;
	struct walk *walk = walker->walk;

	while (!worker_stopped(worker)) {
		unsigned int cpu;

		hmk_walk_map(walk);
		cpu = raw_smp_processor_id();
		while (walk->pages < walk->most && prandom_u32_state(&walk->rnd) % 8)
			hmk_walk_map(walk);
		leave_cpu(walker);
		hmk_walk_check_all(walk);
		walker->moved += raw_smp_processor_id() != cpu;
		leave_cpu(walker);
		hmk_walk_check_all(walk);
		while (walk->nr_held)
			hmk_walk_unmap(walk);
		walk->steps++;
	}
}

static void many_tasks_on_each_cpu(struct kunit *test)
{
	unsigned int cpu, i, nr = 0, rounds = 0;
	struct walker *walker;

	walker = hmk_zalloc(test, TASKS_PER_CPU * num_online_cpus() * sizeof(*walker));
	for_each_online_cpu(cpu) {
		for (i = 0; i < TASKS_PER_CPU; i++, nr++) {
			walker[nr].walk = hmk_get_walk(test, 500 + nr, 1 + i % WALK_MAPS);
			walker[nr].worker = hmk_start_worker(test, cpu, walk_and_leave_cpu,
							     &walker[nr]);
		}
	}
	msleep(2000);
	for (i = 0; i < nr; i++)
		WRITE_ONCE(walker[i].worker->stop, true);
	for (i = 0; i < nr; i++) {
		hmk_join_worker(test, walker[i].worker);
		hmk_check_walk(test, walker[i].walk);
		KUNIT_EXPECT_EQ(test, walker[i].moved, 0);
		rounds += walker[i].walk->steps;
	}
	kunit_info(test, "%u rounds by %u tasks\n", rounds, nr);
}

/* --------------------------------------------------- PTEs that a switch writes */

#define SWITCH_MAPS	5
#define SWITCHES	20

/* A second task on this CPU. At each go the task maps and unmaps @nr pages. */
struct other {
	struct page_set *set;
	unsigned int nr;
	bool hold;
	struct completion go;
	struct completion done;
};

static void use_slots(struct worker *worker)
{
	struct other *other = worker->data;
	void *addr[SWITCH_MAPS];

	while (wait_for_completion_timeout(&other->go, TIMEOUT) && !worker_stopped(worker)) {
		map_all(other->set, addr, other->nr);
		if (other->hold)
			usleep_range(500, 1000);
		unmap_all(addr, other->nr);
		complete(&other->done);
	}
}

static struct events count_switch_events(struct other *other)
{
	struct events before = hmk_events();
	unsigned int i;

	for (i = 0; i < SWITCHES; i++) {
		complete(&other->go);
		wait_for_completion_timeout(&other->done, TIMEOUT);
	}
	return hmk_events_since(before);
}

static void end_other(void *data)
{
	struct other *other = data;

	complete_all(&other->go);
}

static struct other *start_other(struct kunit *test, struct page_set *set)
{
	struct other *other = hmk_zalloc(test, sizeof(*other));

	other->set = set;
	init_completion(&other->go);
	init_completion(&other->done);
	hmk_start_worker(test, raw_smp_processor_id(), use_slots, other);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_other, other), 0);
	return other;
}

/*
 * Counts the events of switches to @other, which maps @nr pages, and back, with the pages
 * of @set mapped.
 */
static struct events count_events_of_switches(struct kunit *test, struct page_set *set,
					      struct other *other, unsigned int nr)
{
	void *addr[SWITCH_MAPS];
	unsigned int i, good = 0;
	struct events events;

	other->nr = nr;
	map_all(set, addr, SWITCH_MAPS);
	/* The first switches may find other PTEs in the slots. */
	count_switch_events(other);
	/*
	 * The minimum of some runs, since other tasks and interrupts map pages as well.
	 */
	events = count_switch_events(other);
	for (i = 0; i < 4; i++) {
		struct events again = count_switch_events(other);

		if (again.ptes < events.ptes)
			events = again;
	}
	for (i = 0; i < SWITCH_MAPS; i++)
		good += stamped(addr[i], set->page[i], 90);
	unmap_all(addr, SWITCH_MAPS);
	KUNIT_EXPECT_EQ(test, good, SWITCH_MAPS);
	return events;
}

static void switch_writes_ptes_that_differ(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, SWITCH_MAPS);
	struct page_set *others = hmk_get_page_set(test, true, SWITCH_MAPS);
	struct other *other, *same;
	struct events events;
	unsigned int nr;

	hmk_require_lazy(test);
	hmk_count_events(test);
	for (nr = 0; nr < SWITCH_MAPS; nr++)
		stamp_page(set->page[nr], 90);
	pin_to_cpu(test, first_cpu());
	other = start_other(test, others);
	same = start_other(test, set);

	for (nr = 0; nr <= SWITCH_MAPS; nr++) {
		/* @other writes its PTEs, and this task restores its own. */
		events = count_events_of_switches(test, set, other, nr);
		hmk_expect_about(test, events, nr * SWITCHES, 2 * nr * SWITCHES);
		events = count_events_of_switches(test, set, same, nr);
		hmk_expect_about(test, events, nr * SWITCHES, 0);
	}
	/* @same finds its PTEs again after a sleep. */
	same->hold = true;
	events = count_events_of_switches(test, set, same, 3);
	hmk_expect_about(test, events, 3 * SWITCHES, 0);
}

/* A task that sleeps with pages mapped, every other one read-only. */
struct sleeper {
	struct page_set *set;
	void *addr[SWITCH_MAPS];
	unsigned int wrong;
	struct completion asleep;
	struct completion go;
};

static bool is_read_only(unsigned int i)
{
	return i % 2;
}

static void hold_and_sleep(struct worker *worker)
{
	struct sleeper *sleeper = worker->data;
	u32 word = 0x12345678;
	unsigned int i;

	for (i = 0; i < SWITCH_MAPS; i++)
		sleeper->addr[i] = kmap_local_page_prot(sleeper->set->page[i],
							is_read_only(i) ? PAGE_KERNEL_RO :
										 DEFAULT_PROT);
	complete(&sleeper->asleep);
	wait_for_completion_timeout(&sleeper->go, TIMEOUT);
	for (i = 0; i < SWITCH_MAPS; i++) {
		sleeper->wrong += !stamped(sleeper->addr[i], sleeper->set->page[i], 94);
		if (IS_ENABLED(CONFIG_X86) && is_read_only(i))
			sleeper->wrong += !copy_to_kernel_nofault(sleeper->addr[i], &word,
								  sizeof(word));
	}
	unmap_all(sleeper->addr, SWITCH_MAPS);
}

/*
 * Eager PTEs are cleared when the task is scheduled out, and written again when it is
 * scheduled in.
 */
static void switch_clears_eager_ptes(struct kunit *test)
{
	struct sleeper *sleeper = hmk_zalloc(test, sizeof(*sleeper));
	struct worker *worker;
	unsigned int i;

	REQUIRES_INTERNALS(test);
	hmk_pause_probes(test);
	sleeper->set = hmk_get_page_set(test, true, SWITCH_MAPS);
	for (i = 0; i < SWITCH_MAPS; i++)
		stamp_page(sleeper->set->page[i], 94);
	init_completion(&sleeper->asleep);
	init_completion(&sleeper->go);
	pin_to_cpu(test, first_cpu());
	worker = hmk_start_worker(test, raw_smp_processor_id(), hold_and_sleep, sleeper);
	wait_for_completion_timeout(&sleeper->asleep, TIMEOUT);
	usleep_range(2000, 4000);
	for (i = 0; i < SWITCH_MAPS; i++) {
		if (is_lazy() && !is_read_only(i))
			KUNIT_EXPECT_TRUE(test, hmk_slot_maps(sleeper->addr[i],
							      sleeper->set->page[i]));
		else
			KUNIT_EXPECT_TRUE(test, hmk_slot_empty(sleeper->addr[i]));
	}
	complete(&sleeper->go);
	hmk_join_worker(test, worker);
	KUNIT_EXPECT_EQ(test, sleeper->wrong, 0);
}

/* --------------------------------------------------------------------- migration */

#ifdef CONFIG_SMP
struct moved_task {
	struct walk *walk;
	struct task_struct *task;
	unsigned int moves;
	unsigned int refused;
	unsigned int moved;	/* the task moved with a page mapped */
	unsigned int moves_seen; /* moves that the task has seen */
	unsigned int pinned;	/* still pinned with nothing mapped */
	unsigned int last_cpu;
};

static void map_while_moved(struct moved_task *moved_task)
{
	struct walk *walk = moved_task->walk;
	u32 random = prandom_u32_state(&walk->rnd);
	unsigned int cpu;

	hmk_walk_map(walk);
	cpu = raw_smp_processor_id();
	moved_task->moves_seen += cpu != moved_task->last_cpu;
	moved_task->last_cpu = cpu;
	while (random % 4 && walk->pages < walk->most) {
		hmk_walk_map(walk);
		random /= 4;
	}
	if (random % 8 == 0)
		usleep_range(20, 200);
	else
		cond_resched();
	moved_task->moved += raw_smp_processor_id() != cpu;
	hmk_walk_check_all(walk);
	while (walk->nr_held) {
		moved_task->moved += raw_smp_processor_id() != cpu;
		hmk_walk_unmap(walk);
	}
	moved_task->pinned += current->migration_disabled || map_depth(current);
	walk->steps++;
	/* Without preemption the task can move only here: above it is pinned. */
	cond_resched();
}

static void run_moved_task(struct worker *worker)
{
	struct moved_task *moved_task = worker->data;

	while (!worker_stopped(worker))
		map_while_moved(moved_task);
}

static void move_task(struct worker *worker)
{
	struct moved_task *moved_task = worker->data;
	unsigned int cpu = first_cpu();

	while (!worker_stopped(worker)) {
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = first_cpu();
		if (set_cpus_allowed_ptr(moved_task->task, cpumask_of(cpu)))
			moved_task->refused++;
		else
			moved_task->moves++;
		if (moved_task->moves % 16 == 0)
			usleep_range(20, 200);
	}
	set_cpus_allowed_ptr(moved_task->task, cpu_online_mask);
}
#endif

#define MOVED_TASKS	4
#define FEW_MOVES	5

#ifdef CONFIG_SMP
static bool all_moved(const struct moved_task *moved_task)
{
	unsigned int i;

	for (i = 0; i < MOVED_TASKS; i++) {
		if (READ_ONCE(moved_task[i].moves_seen) <= FEW_MOVES)
			return false;
	}
	return true;
}
#endif

static void tasks_moved_between_cpus(struct kunit *test)
{
#ifdef CONFIG_SMP
	struct moved_task *moved_task = hmk_zalloc(test, MOVED_TASKS * sizeof(*moved_task));
	struct worker *walker[MOVED_TASKS], *mover[MOVED_TASKS];
	struct interrupters *interrupters;
	unsigned int i;

	REQUIRES_MAPPING(test);
	REQUIRES_TWO_CPUS(test);
	for (i = 0; i < MOVED_TASKS; i++) {
		moved_task[i].walk = hmk_get_walk(test, 600 + i, TASK_MAPS);
		walker[i] = hmk_start_worker(test, -1, run_moved_task, &moved_task[i]);
		moved_task[i].task = walker[i]->task;
		mover[i] = hmk_start_worker(test, -1, move_task, &moved_task[i]);
	}
	interrupters = hmk_start_interrupters(test);
	msleep(2500);
	/* A slow kernel on a busy host moves tasks less often. */
	for (i = 0; i < 50 && !all_moved(moved_task); i++)
		msleep(500);
	for (i = 0; i < MOVED_TASKS; i++)
		WRITE_ONCE(mover[i]->stop, true);
	for (i = 0; i < MOVED_TASKS; i++)
		hmk_join_worker(test, mover[i]);
	for (i = 0; i < MOVED_TASKS; i++)
		WRITE_ONCE(walker[i]->stop, true);
	for (i = 0; i < MOVED_TASKS; i++) {
		hmk_join_worker(test, walker[i]);
		hmk_check_walk(test, moved_task[i].walk);
		kunit_info(test, "%u rounds, %u moves, %u seen\n", moved_task[i].walk->steps,
			   moved_task[i].moves, moved_task[i].moves_seen);
		KUNIT_EXPECT_EQ(test, moved_task[i].refused, 0);
		KUNIT_EXPECT_EQ(test, moved_task[i].moved, 0);
		KUNIT_EXPECT_EQ(test, moved_task[i].pinned, 0);
		KUNIT_EXPECT_GT(test, moved_task[i].moves_seen, FEW_MOVES);
	}
	hmk_check_interrupters(test, interrupters);
#else
	kunit_skip(test, "needs CONFIG_SMP");
#endif
}

/*
 * set_cpus_allowed_ptr() fails for a task that has mapped a page and excludes its own
 * CPU.
 */
static void set_cpus_allowed_fails_while_mapped(struct kunit *test)
{
#ifdef CONFIG_SMP
	struct page *page = hmk_get_page(test, true);
	unsigned int slept, cpu;
	int error[2];

	REQUIRES_MAPPING(test);
	REQUIRES_TWO_CPUS(test);
	/* Before and after the scheduler pins the task. */
	for (slept = 0; slept < 2; slept++) {
		void *addr;

		pin_to_cpu(test, first_cpu());
		hmk_provoke(test, "WARNING: ");
		addr = kmap_local_page(page);
		if (slept)
			usleep_range(1000, 2000);
		/*
		 * The warning comes with the run queue locked. Consoles wake tasks, so
		 * they must print later.
		 */
		local_irq_disable();
		printk_deferred_enter();
		error[slept] = set_cpus_allowed_ptr(current, cpumask_of(second_cpu()));
		printk_deferred_exit();
		local_irq_enable();
		cpu = raw_smp_processor_id();
		kunmap_local(addr);
		hmk_provoked(test);
		KUNIT_EXPECT_EQ(test, error[slept], -EBUSY);
		KUNIT_EXPECT_EQ(test, cpu, first_cpu());
		KUNIT_EXPECT_EQ(test, current->migration_disabled, 0);
		if (!slept)
			hmk_expect_report(test, "WARNING: ");
	}
	pin_to_cpu(test, second_cpu());
	KUNIT_EXPECT_EQ(test, raw_smp_processor_id(), second_cpu());
#else
	kunit_skip(test, "needs CONFIG_SMP");
#endif
}

/* ---------------------------------------------------------------- CPU hotplug */

#ifdef CONFIG_HOTPLUG_CPU
static void add_cpu_action(void *data)
{
	add_cpu((unsigned long)data);
}

static void use_all_slots(struct worker *worker)
{
	void *addr[WALK_MAPS];

	map_all(worker->data, addr, WALK_MAPS);
	unmap_all(addr, WALK_MAPS);
}

static void take_cpu_offline(struct kunit *test, unsigned int cpu)
{
	int error = remove_cpu(cpu);

	if (error)
		kunit_skip(test, "CPU %u cannot be taken offline (%d)", cpu, error);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, add_cpu_action,
							(void *)(unsigned long)cpu), 0);
}
#endif

static void cpu_offline_clears_slots(struct kunit *test)
{
#ifdef CONFIG_HOTPLUG_CPU
	struct page_set *set = hmk_get_page_set(test, true, WALK_MAPS);
	unsigned int cpu = second_cpu(), before, after, round;

	REQUIRES_TWO_CPUS(test);
	REQUIRES_INTERNALS(test);
	hmk_pause_probes(test);
	for (round = 0; round < 2; round++) {
		hmk_join_worker(test, hmk_start_worker(test, cpu, use_all_slots, set));
		before = hmk_slots_filled(cpu);
		take_cpu_offline(test, cpu);
		after = hmk_slots_filled(cpu);
		kunit_release_action(test, add_cpu_action, (void *)(unsigned long)cpu);
		KUNIT_ASSERT_TRUE(test, cpu_online(cpu));
		/* Slots of guards may hold pages of earlier runs. */
		if (is_lazy())
			KUNIT_EXPECT_GE(test, before, WALK_MAPS);
		else
			KUNIT_EXPECT_EQ(test, before, 0);
		KUNIT_EXPECT_EQ(test, after, 0);
	}
	/* The CPU stays online this time. A flush clears the slots of all CPUs. */
	hmk_join_worker(test, hmk_start_worker(test, cpu, use_all_slots, set));
	kmap_flush_unused();
	KUNIT_EXPECT_EQ(test, hmk_slots_filled(-1), 0);
#else
	kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
#endif
}

#ifdef CONFIG_HOTPLUG_CPU
/*
 * On PREEMPT_RT a CPU that goes offline first parks the thread that wakes sleepers, and
 * then waits for pinned tasks: a pinned task must not sleep.
 */
static void walk_anywhere(struct worker *worker)
{
	struct walk *walk = worker->data;

	while (!worker_stopped(worker)) {
		hmk_walk_step(walk);
		if (walk->steps % 64 == 0 &&
		    !(IS_ENABLED(CONFIG_PREEMPT_RT) && walk->nr_held))
			usleep_range(20, 500);
		else if (!walk->nr_held)
			cond_resched();
	}
	while (walk->nr_held)
		hmk_walk_unmap(walk);
}
#endif

#define HOTPLUG_TASKS	6

static void tasks_during_cpu_hotplug(struct kunit *test)
{
#ifdef CONFIG_HOTPLUG_CPU
	unsigned int cpu = second_cpu(), left = 0, i;
	unsigned long end = jiffies + 2 * HZ;
	struct worker *worker[HOTPLUG_TASKS];
	struct walk *walk[HOTPLUG_TASKS];
	unsigned int rounds = 0;

	REQUIRES_TWO_CPUS(test);
	for (i = 0; i < HOTPLUG_TASKS; i++) {
		walk[i] = hmk_get_walk(test, 700 + i, WALK_MAPS);
		worker[i] = hmk_start_worker(test, -1, walk_anywhere, walk[i]);
	}
	do {
		msleep(100);
		take_cpu_offline(test, cpu);
		if (HAVE_INTERNALS)
			left += hmk_slots_filled(cpu);
		msleep(50);
		kunit_release_action(test, add_cpu_action, (void *)(unsigned long)cpu);
		KUNIT_ASSERT_TRUE(test, cpu_online(cpu));
		rounds++;
	} while (time_before(jiffies, end));
	for (i = 0; i < HOTPLUG_TASKS; i++)
		WRITE_ONCE(worker[i]->stop, true);
	for (i = 0; i < HOTPLUG_TASKS; i++) {
		hmk_join_worker(test, worker[i]);
		hmk_check_walk(test, walk[i]);
	}
	kunit_info(test, "CPU %u was offline %u times\n", cpu, rounds);
	KUNIT_EXPECT_EQ(test, left, 0);
#else
	kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
#endif
}

#ifdef CONFIG_HOTPLUG_CPU
struct late_task {
	struct page *page;
	unsigned int cpu;
	unsigned int turns;		/* turns on a CPU that is going offline */
	unsigned int wrong;
	struct completion mapped;
};

/*
 * Each turn maps the page anew, so the mapping has no pin when schedule() is called. From
 * a CPU that is going offline the scheduler moves tasks away. It must not move a task with
 * a page mapped.
 */
static void run_on_dying_cpu(struct worker *worker)
{
	struct late_task *late_task = worker->data;
	unsigned long end = 0;
	void *addr = kmap_local_page(late_task->page);

	late_task->wrong += raw_smp_processor_id() != late_task->cpu;
	complete(&late_task->mapped);
	while (!worker_stopped(worker) && (!end || time_before(jiffies, end))) {
		preempt_disable();
		kunmap_local(addr);
		addr = kmap_local_page(late_task->page);
		preempt_enable();
		schedule();
		late_task->wrong += !stamped(addr, late_task->page, 94) ||
				 raw_smp_processor_id() != late_task->cpu;
		if (cpu_active(late_task->cpu))
			continue;
		late_task->turns++;
		end = end ?: jiffies + HZ / 10;
	}
	kunmap_local(addr);
}
#endif

/* The CPU waits until the task unmaps. The log must have no warning. */
static void cpu_offline_waits_for_mapping(struct kunit *test)
{
#ifdef CONFIG_HOTPLUG_CPU
	struct late_task *late_task = hmk_zalloc(test, sizeof(*late_task));
	struct worker *worker;

	REQUIRES_TWO_CPUS(test);
	REQUIRES_MAPPING(test);
	late_task->page = hmk_get_page(test, true);
	stamp_page(late_task->page, 94);
	late_task->cpu = second_cpu();
	init_completion(&late_task->mapped);
	worker = hmk_start_worker(test, late_task->cpu, run_on_dying_cpu, late_task);
	wait_for_completion_timeout(&late_task->mapped, TIMEOUT);
	take_cpu_offline(test, late_task->cpu);
	hmk_join_worker(test, worker);
	kunit_release_action(test, add_cpu_action, (void *)(unsigned long)late_task->cpu);
	kunit_info(test, "%u turns\n", late_task->turns);
	KUNIT_EXPECT_GT(test, late_task->turns, 0);
	KUNIT_EXPECT_EQ(test, late_task->wrong, 0);
#else
	kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
#endif
}

/* ------------------------------------------------- more mappings than slots */

#define DEEP	40

static unsigned int count_wrong(struct page_set *set, void **addr, unsigned int nr, u32 salt)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < nr; i++)
		wrong += !stamped(addr[i], set->page[i], salt);
	return wrong;
}

static void nested_40_deep_across_switches(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, DEEP);
	struct other *other;
	void *addr[DEEP];
	unsigned int i, wrong = 0;

	REQUIRES_INTERNALS(test);
	for (i = 0; i < DEEP; i++)
		stamp_page(set->page[i], 91);
	pin_to_cpu(test, first_cpu());
	other = start_other(test, hmk_get_page_set(test, true, SWITCH_MAPS));
	other->nr = SWITCH_MAPS;
	map_all(set, addr, DEEP);
	for (i = 0; i < 4; i++) {
		complete(&other->go);
		wait_for_completion_timeout(&other->done, TIMEOUT);
		usleep_range(500, 1000);
		kmap_flush_unused();
		wrong += count_wrong(set, addr, DEEP, 91);
	}
	unmap_all(addr, DEEP);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
#ifdef CONFIG_SMP
	KUNIT_EXPECT_EQ(test, current->migration_disabled, 0);
#endif
}

/* An interrupt that needs more slots than are free. */
#define DEEP_INTERRUPT	6

struct deep_interrupt {
	struct irq_work irq_work;
	struct page_set *set;
	unsigned int runs;
	unsigned int wrong;
	unsigned int beyond;
};

static void map_deep_in_interrupt(struct irq_work *irq_work)
{
	struct deep_interrupt *deep = container_of(irq_work, struct deep_interrupt, irq_work);
	void *addr[DEEP_INTERRUPT];
	unsigned int i;

	map_all(deep->set, addr, DEEP_INTERRUPT);
	deep->wrong += count_wrong(deep->set, addr, DEEP_INTERRUPT, 92);
	for (i = 0; i < DEEP_INTERRUPT; i++)
		deep->beyond += !in_local_slots(addr[i]);
	unmap_all(addr, DEEP_INTERRUPT);
	deep->runs++;
}

static void end_deep_interrupt(void *data)
{
	struct deep_interrupt *deep = data;

	irq_work_sync(&deep->irq_work);
}

/*
 * Busy-waits, so that the interrupt comes while this task runs. Without an IPI to itself
 * a CPU runs irq_work at the next tick.
 */
static void interrupt_this_task(struct irq_work *irq_work)
{
	preempt_disable();
	irq_work_queue(irq_work);
	while (irq_work_is_busy(irq_work))
		cpu_relax();
	preempt_enable();
}

static void overflow_in_interrupt(struct kunit *test)
{
	struct deep_interrupt *deep = hmk_zalloc(test, sizeof(*deep));
	struct page_set *set = hmk_get_page_set(test, true, WALK_MAPS);
	unsigned int i, round, wrong = 0;
	void *addr[WALK_MAPS];

	REQUIRES_INTERNALS(test);
	deep->set = hmk_get_page_set(test, true, DEEP_INTERRUPT);
	for (i = 0; i < DEEP_INTERRUPT; i++)
		stamp_page(deep->set->page[i], 92);
	for (i = 0; i < WALK_MAPS; i++)
		stamp_page(set->page[i], 93);
	deep->irq_work = IRQ_WORK_INIT_HARD(map_deep_in_interrupt);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_deep_interrupt, deep), 0);
	pin_to_cpu(test, first_cpu());
	map_all(set, addr, WALK_MAPS);
	for (round = 0; round < 50; round++) {
		interrupt_this_task(&deep->irq_work);
		wrong += count_wrong(set, addr, WALK_MAPS, 93);
	}
	unmap_all(addr, WALK_MAPS);
	KUNIT_EXPECT_EQ(test, wrong + deep->wrong, 0);
	KUNIT_EXPECT_EQ(test, deep->runs, 50);
	KUNIT_EXPECT_EQ(test, deep->beyond, 50 * (DEEP_INTERRUPT - 1));
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

#if HAVE_INTERNALS && defined(CONFIG_SMP)
/*
 * A child is a copy of its parent, which may be pinned. kmap_local_fork() drops the pin in
 * the child, at any count of migrate_disable().
 */
static void fork_drops_pin(struct kunit *test)
{
	struct task_struct *child = hmk_zalloc(test, sizeof(*child));
	unsigned int pins, i;

	for (i = 0; i < 2; i++) {
		pins = 1 + i;
		child->kmap_ctrl.idx = KMAP_LOCAL_STEP;
		child->kmap_ctrl.pinned = 1;
		child->migration_disabled = pins;
		child->cpus_ptr = cpumask_of(0);
		hmk_provoke(test, "WARNING: ");
		kmap_local_fork(child);
		hmk_provoked(test);
		KUNIT_EXPECT_EQ(test, child->kmap_ctrl.idx, 0);
		KUNIT_EXPECT_EQ(test, child->kmap_ctrl.pinned, 0);
		KUNIT_EXPECT_EQ(test, child->migration_disabled, 0);
		KUNIT_EXPECT_PTR_EQ(test, child->cpus_ptr, &child->cpus_mask);
	}
}
#endif

#if defined(CONFIG_KPROBES) && defined(CONFIG_SMP)
struct pick {
	struct kprobe kprobe;
	struct task_struct *task;
	unsigned int picks;
	unsigned int unpinned;
};

static int count_pick(struct kprobe *kprobe, struct pt_regs *regs)
{
	struct pick *pick = container_of(kprobe, struct pick, kprobe);

	if (current == pick->task && map_depth(current)) {
		pick->picks++;
		pick->unpinned += !current->migration_disabled;
	}
	return 0;
}

NOKPROBE_SYMBOL(count_pick);

static void end_counting_picks(void *data)
{
	struct pick *pick = data;

	unregister_kprobe(&pick->kprobe);
}

/*
 * A scheduler class (sched_ext) may offer the previous task to other CPUs as soon as the
 * next task is picked. So __schedule() must pin the task before it picks the next one.
 */
static void pinned_before_next_task_is_picked(struct kunit *test)
{
	struct pick *pick = hmk_zalloc(test, sizeof(*pick));
	struct page *page = hmk_get_page(test, true);
	unsigned int i;
	void *addr;

	REQUIRES_MAPPING(test);
	pick->task = current;
	pick->kprobe.symbol_name = PICK_FUNCTION;
	pick->kprobe.pre_handler = count_pick;
	KUNIT_ASSERT_EQ(test, register_kprobe(&pick->kprobe), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_counting_picks, pick), 0);
	/* Classes above the fair one pick tasks, too. */
	for (i = 0; i < 100 && pick->picks < 5; i++) {
		addr = kmap_local_page(page);
		schedule_timeout_uninterruptible(1);
		kunmap_local(addr);
	}
	kunit_release_action(test, end_counting_picks, pick);
	KUNIT_EXPECT_GT(test, pick->picks, 0);
	KUNIT_EXPECT_EQ(test, pick->unpinned, 0);
}
#else
static void pinned_before_next_task_is_picked(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_KPROBES and CONFIG_SMP");
}
#endif

static struct kunit_case highmem_sched_cases[] = {
	KUNIT_CASE_SLOW(many_tasks_on_each_cpu),
	KUNIT_CASE(switch_writes_ptes_that_differ),
	KUNIT_CASE(switch_clears_eager_ptes),
	KUNIT_CASE_SLOW(tasks_moved_between_cpus),
	KUNIT_CASE(set_cpus_allowed_fails_while_mapped),
	KUNIT_CASE(cpu_offline_clears_slots),
	KUNIT_CASE_SLOW(tasks_during_cpu_hotplug),
	KUNIT_CASE(cpu_offline_waits_for_mapping),
	KUNIT_CASE(nested_40_deep_across_switches),
	KUNIT_CASE(overflow_in_interrupt),
#if HAVE_INTERNALS && defined(CONFIG_SMP)
	KUNIT_CASE(fork_drops_pin),
#endif
	KUNIT_CASE(pinned_before_next_task_is_picked),
	{}
};

static struct kunit_suite highmem_sched_suite = {
	.name = "highmem_sched",
	.init = hmk_remember_task,
	.exit = hmk_check_task,
	.test_cases = highmem_sched_cases,
};

kunit_test_suites(&highmem_sched_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: local mappings and the scheduler");
MODULE_LICENSE("GPL");
