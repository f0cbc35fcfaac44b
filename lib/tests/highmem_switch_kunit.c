// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_switch": local mappings of tasks that sleep, are
 * preempted, moved, or lose their CPU, and more mappings than there are slots.
 * See highmem_kunit.h and highmem_kunit_inside.h.
 */

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/kprobes.h>
#include <linux/slab.h>

#include "highmem_kunit_inside.h"

/* ------------------------------------------------------------------- a crowd */

/*
 * Many tasks on each CPU, each with some pages mapped, that leave the CPU in one
 * way or another all the time.
 */
#define CROWD		40

struct crowd {
	struct walk *walk;
	struct worker *worker;
	unsigned int me;
	unsigned int strayed;
};

static void leave_cpu(struct crowd *crowd)
{
	switch (prandom_u32_state(&crowd->walk->rnd) % 6) {
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

static void run_in_crowd(struct worker *worker)
{
	struct crowd *crowd = worker->data;
	struct walk *walk = crowd->walk;

	while (!worker_stopped(worker)) {
		unsigned int cpu;

		hmk_walk_in(walk);
		cpu = raw_smp_processor_id();
		while (walk->pages < walk->most && prandom_u32_state(&walk->rnd) % 8)
			hmk_walk_in(walk);
		leave_cpu(crowd);
		hmk_walk_look(walk);
		crowd->strayed += raw_smp_processor_id() != cpu;
		leave_cpu(crowd);
		hmk_walk_look(walk);
		while (walk->nr_held)
			hmk_walk_out(walk);
		walk->steps++;
	}
}

static void tasks_in_crowds(struct kunit *test)
{
	unsigned int cpu, i, nr = 0, rounds = 0;
	struct crowd *crowd;

	crowd = hmk_zalloc(test, CROWD * num_online_cpus() * sizeof(*crowd));
	for_each_online_cpu(cpu) {
		for (i = 0; i < CROWD; i++, nr++) {
			crowd[nr].walk = hmk_get_walk(test, 500 + nr, 1 + i % WALK_MAPS);
			crowd[nr].worker = hmk_start_worker(test, cpu, run_in_crowd, &crowd[nr]);
		}
	}
	msleep(2000);
	for (i = 0; i < nr; i++)
		WRITE_ONCE(crowd[i].worker->stop, true);
	for (i = 0; i < nr; i++) {
		hmk_join_worker(test, crowd[i].worker);
		hmk_check_walk(test, crowd[i].walk);
		KUNIT_EXPECT_EQ(test, crowd[i].strayed, 0);
		rounds += crowd[i].walk->steps;
	}
	kunit_info(test, "%u rounds by %u tasks\n", rounds, nr);
}

/* --------------------------------------------------------- what a switch costs */

#define SWITCH_MAPS	5
#define SWITCHES	20

/* The other task on this CPU. At each go it maps so many pages, and unmaps them */
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

	while (wait_for_completion_timeout(&other->go, PATIENCE) && !worker_stopped(worker)) {
		map_all(other->set, addr, other->nr);
		if (other->hold)
			usleep_range(500, 1000);
		unmap_all(addr, other->nr);
		complete(&other->done);
	}
}

static struct events cost_of_switches(struct other *other)
{
	struct events before = hmk_events();
	unsigned int i;

	for (i = 0; i < SWITCHES; i++) {
		complete(&other->go);
		wait_for_completion_timeout(&other->done, PATIENCE);
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

/* With pages of @set mapped, so many switches to one who maps @nr pages, and back */
static struct events check_switches(struct kunit *test, struct page_set *set,
				    struct other *other, unsigned int nr)
{
	void *addr[SWITCH_MAPS];
	unsigned int i, good = 0;
	struct events events;

	other->nr = nr;
	map_all(set, addr, SWITCH_MAPS);
	/* The first time finds in the slots whatever there is */
	cost_of_switches(other);
	/* The least of some tries: other tasks and interrupts map pages as well. */
	events = cost_of_switches(other);
	for (i = 0; i < 4; i++) {
		struct events again = cost_of_switches(other);

		if (again.ptes < events.ptes)
			events = again;
	}
	for (i = 0; i < SWITCH_MAPS; i++)
		good += stamped(addr[i], set->page[i], 90);
	unmap_all(addr, SWITCH_MAPS);
	KUNIT_EXPECT_EQ(test, good, SWITCH_MAPS);
	return events;
}

static void switch_writes_what_differs(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, SWITCH_MAPS);
	struct page_set *others = hmk_get_page_set(test, true, SWITCH_MAPS);
	struct other *other, *same;
	struct events events;
	unsigned int nr;

	NEEDS_LAZY(test);
	hmk_count_events(test);
	for (nr = 0; nr < SWITCH_MAPS; nr++)
		stamp_page(set->page[nr], 90);
	pin_to_cpu(test, first_cpu());
	other = start_other(test, others);
	same = start_other(test, set);

	for (nr = 0; nr <= SWITCH_MAPS; nr++) {
		/* It writes its own, and the one that comes back puts them back */
		events = check_switches(test, set, other, nr);
		hmk_expect_about(test, events, nr * SWITCHES, 2 * nr * SWITCHES);
		events = check_switches(test, set, same, nr);
		hmk_expect_about(test, events, nr * SWITCHES, 0);
	}
	/* Asleep while nobody comes: it finds its own again */
	same->hold = true;
	events = check_switches(test, set, same, 3);
	hmk_expect_about(test, events, 3 * SWITCHES, 0);
}

/* A task that holds pages and sleeps: all as usual, or some to be read only */
struct sleeper {
	struct page_set *set;
	void *addr[SWITCH_MAPS];
	unsigned int wrong;
	struct completion asleep;
	struct completion go;
};

static bool sleeps_on_read_only(unsigned int i)
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
							sleeps_on_read_only(i) ? PAGE_KERNEL_RO :
										 USUAL_PROT);
	complete(&sleeper->asleep);
	wait_for_completion_timeout(&sleeper->go, PATIENCE);
	for (i = 0; i < SWITCH_MAPS; i++) {
		sleeper->wrong += !stamped(sleeper->addr[i], sleeper->set->page[i], 94);
		if (IS_ENABLED(CONFIG_X86) && sleeps_on_read_only(i))
			sleeper->wrong += !copy_to_kernel_nofault(sleeper->addr[i], &word,
								  sizeof(word));
	}
	unmap_all(sleeper->addr, SWITCH_MAPS);
}

/* What may not stay does not while its task is away, but is back when it is */
static void protections_leave_with_task(struct kunit *test)
{
	struct sleeper *sleeper = hmk_zalloc(test, sizeof(*sleeper));
	struct worker *worker;
	unsigned int i;

	NEEDS_OURS(test);
	hmk_be_alone(test);
	sleeper->set = hmk_get_page_set(test, true, SWITCH_MAPS);
	for (i = 0; i < SWITCH_MAPS; i++)
		stamp_page(sleeper->set->page[i], 94);
	init_completion(&sleeper->asleep);
	init_completion(&sleeper->go);
	pin_to_cpu(test, first_cpu());
	worker = hmk_start_worker(test, raw_smp_processor_id(), hold_and_sleep, sleeper);
	wait_for_completion_timeout(&sleeper->asleep, PATIENCE);
	usleep_range(2000, 4000);
	for (i = 0; i < SWITCH_MAPS; i++) {
		if (is_lazy() && !sleeps_on_read_only(i))
			KUNIT_EXPECT_TRUE(test, hmk_slot_shows(sleeper->addr[i],
							       sleeper->set->page[i]));
		else
			KUNIT_EXPECT_TRUE(test, hmk_slot_empty(sleeper->addr[i]));
	}
	complete(&sleeper->go);
	hmk_join_worker(test, worker);
	KUNIT_EXPECT_EQ(test, sleeper->wrong, 0);
}

/* ------------------------------------------------------------------- moved about */

#ifdef CONFIG_SMP
struct storm {
	struct walk *walk;
	struct task_struct *task;
	unsigned int moves;
	unsigned int refused;
	unsigned int strayed;	/* to another CPU with something mapped */
	unsigned int seen;	/* moves from one round to the next */
	unsigned int pinned;	/* with nothing mapped */
	unsigned int last_cpu;
};

static void map_in_storm(struct storm *storm)
{
	struct walk *walk = storm->walk;
	u32 random = prandom_u32_state(&walk->rnd);
	unsigned int cpu;

	hmk_walk_in(walk);
	cpu = raw_smp_processor_id();
	storm->seen += cpu != storm->last_cpu;
	storm->last_cpu = cpu;
	while (random % 4 && walk->pages < walk->most) {
		hmk_walk_in(walk);
		random /= 4;
	}
	if (random % 8 == 0)
		usleep_range(20, 200);
	else
		cond_resched();
	storm->strayed += raw_smp_processor_id() != cpu;
	hmk_walk_look(walk);
	while (walk->nr_held) {
		storm->strayed += raw_smp_processor_id() != cpu;
		hmk_walk_out(walk);
	}
	storm->pinned += current->migration_disabled || map_depth(current);
	walk->steps++;
	/* Without preemption it can be moved nowhere but here: above it is pinned. */
	cond_resched();
}

static void run_in_storm(struct worker *worker)
{
	struct storm *storm = worker->data;

	while (!worker_stopped(worker))
		map_in_storm(storm);
}

static void move_about(struct worker *worker)
{
	struct storm *storm = worker->data;
	unsigned int cpu = first_cpu();

	while (!worker_stopped(worker)) {
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = first_cpu();
		if (set_cpus_allowed_ptr(storm->task, cpumask_of(cpu)))
			storm->refused++;
		else
			storm->moves++;
		if (storm->moves % 16 == 0)
			usleep_range(20, 200);
	}
	set_cpus_allowed_ptr(storm->task, cpu_online_mask);
}
#endif

#define STORMS		4
#define FEW_MOVES	5

#ifdef CONFIG_SMP
static bool all_moved(const struct storm *storm)
{
	unsigned int i;

	for (i = 0; i < STORMS; i++) {
		if (READ_ONCE(storm[i].seen) <= FEW_MOVES)
			return false;
	}
	return true;
}
#endif

static void tasks_in_migration_storms(struct kunit *test)
{
#ifdef CONFIG_SMP
	struct storm *storm = hmk_zalloc(test, STORMS * sizeof(*storm));
	struct worker *walker[STORMS], *mover[STORMS];
	struct visitors *visitors;
	unsigned int i;

	NEEDS_MAPPING(test);
	NEEDS_TWO_CPUS(test);
	for (i = 0; i < STORMS; i++) {
		storm[i].walk = hmk_get_walk(test, 600 + i, TASK_MAPS);
		walker[i] = hmk_start_worker(test, -1, run_in_storm, &storm[i]);
		storm[i].task = walker[i]->task;
		mover[i] = hmk_start_worker(test, -1, move_about, &storm[i]);
	}
	visitors = hmk_start_visitors(test);
	msleep(2500);
	/* A slow kernel on a busy host needs longer to be moved at all. */
	for (i = 0; i < 50 && !all_moved(storm); i++)
		msleep(500);
	for (i = 0; i < STORMS; i++)
		WRITE_ONCE(mover[i]->stop, true);
	for (i = 0; i < STORMS; i++)
		hmk_join_worker(test, mover[i]);
	for (i = 0; i < STORMS; i++)
		WRITE_ONCE(walker[i]->stop, true);
	for (i = 0; i < STORMS; i++) {
		hmk_join_worker(test, walker[i]);
		hmk_check_walk(test, storm[i].walk);
		kunit_info(test, "%u rounds, %u moves, %u seen\n", storm[i].walk->steps,
			   storm[i].moves, storm[i].seen);
		KUNIT_EXPECT_EQ(test, storm[i].refused, 0);
		KUNIT_EXPECT_EQ(test, storm[i].strayed, 0);
		KUNIT_EXPECT_EQ(test, storm[i].pinned, 0);
		KUNIT_EXPECT_GT(test, storm[i].seen, FEW_MOVES);
	}
	hmk_check_visitors(test, visitors);
#else
	kunit_skip(test, "needs CONFIG_SMP");
#endif
}

/* A task that would move itself away from its mapping is told, and stays */
static void moving_oneself_is_refused(struct kunit *test)
{
#ifdef CONFIG_SMP
	struct page *page = hmk_get_page(test, true);
	unsigned int slept, cpu;
	int error[2];

	NEEDS_MAPPING(test);
	NEEDS_TWO_CPUS(test);
	/* Before the scheduler has pinned the task, and when it has */
	for (slept = 0; slept < 2; slept++) {
		void *addr;

		pin_to_cpu(test, first_cpu());
		hmk_provoke(test, "WARNING: ");
		addr = kmap_local_page(page);
		if (slept)
			usleep_range(1000, 2000);
		/* The warning comes with the runqueue locked: consoles wake tasks up */
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

/* --------------------------------------------------------------- CPUs that go */

#ifdef CONFIG_HOTPLUG_CPU
static void bring_back(void *data)
{
	add_cpu((unsigned long)data);
}

static void leave_behind(struct worker *worker)
{
	void *addr[WALK_MAPS];

	map_all(worker->data, addr, WALK_MAPS);
	unmap_all(addr, WALK_MAPS);
}

static void take_cpu(struct kunit *test, unsigned int cpu)
{
	int error = remove_cpu(cpu);

	if (error)
		kunit_skip(test, "CPU %u cannot be taken offline (%d)", cpu, error);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, bring_back,
							(void *)(unsigned long)cpu), 0);
}
#endif

static void cpu_leaves_nothing_behind(struct kunit *test)
{
#ifdef CONFIG_HOTPLUG_CPU
	struct page_set *set = hmk_get_page_set(test, true, WALK_MAPS);
	unsigned int cpu = second_cpu(), before, after, round;

	NEEDS_TWO_CPUS(test);
	NEEDS_OURS(test);
	hmk_be_alone(test);
	for (round = 0; round < 2; round++) {
		hmk_join_worker(test, hmk_start_worker(test, cpu, leave_behind, set));
		before = hmk_slots_filled(cpu);
		take_cpu(test, cpu);
		after = hmk_slots_filled(cpu);
		kunit_release_action(test, bring_back, (void *)(unsigned long)cpu);
		KUNIT_ASSERT_TRUE(test, cpu_online(cpu));
		/* Guards may have pages of earlier runs. */
		if (is_lazy())
			KUNIT_EXPECT_GE(test, before, WALK_MAPS);
		else
			KUNIT_EXPECT_EQ(test, before, 0);
		KUNIT_EXPECT_EQ(test, after, 0);
	}
	/* There is nothing for it to find either, wherever it comes back to */
	hmk_join_worker(test, hmk_start_worker(test, cpu, leave_behind, set));
	kmap_flush_unused();
	KUNIT_EXPECT_EQ(test, hmk_slots_filled(-1), 0);
#else
	kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
#endif
}

#ifdef CONFIG_HOTPLUG_CPU
/*
 * With PREEMPT_RT a CPU that goes parks the thread that would wake up sleepers, and
 * then waits for those that are pinned to it: whoever may not move must not sleep.
 */
static void walk_anywhere(struct worker *worker)
{
	struct walk *walk = worker->data;

	while (!worker_stopped(worker)) {
		hmk_walk(walk);
		if (walk->steps % 64 == 0 &&
		    !(IS_ENABLED(CONFIG_PREEMPT_RT) && walk->nr_held))
			usleep_range(20, 500);
		else if (!walk->nr_held)
			cond_resched();
	}
	while (walk->nr_held)
		hmk_walk_out(walk);
}
#endif

#define HOT_TASKS	6

static void tasks_while_cpus_go(struct kunit *test)
{
#ifdef CONFIG_HOTPLUG_CPU
	unsigned int cpu = second_cpu(), left = 0, i;
	unsigned long end = jiffies + 2 * HZ;
	struct worker *worker[HOT_TASKS];
	struct walk *walk[HOT_TASKS];
	unsigned int rounds = 0;

	NEEDS_TWO_CPUS(test);
	for (i = 0; i < HOT_TASKS; i++) {
		walk[i] = hmk_get_walk(test, 700 + i, WALK_MAPS);
		worker[i] = hmk_start_worker(test, -1, walk_anywhere, walk[i]);
	}
	do {
		msleep(100);
		take_cpu(test, cpu);
		if (OURS)
			left += hmk_slots_filled(cpu);
		msleep(50);
		kunit_release_action(test, bring_back, (void *)(unsigned long)cpu);
		KUNIT_ASSERT_TRUE(test, cpu_online(cpu));
		rounds++;
	} while (time_before(jiffies, end));
	for (i = 0; i < HOT_TASKS; i++)
		WRITE_ONCE(worker[i]->stop, true);
	for (i = 0; i < HOT_TASKS; i++) {
		hmk_join_worker(test, worker[i]);
		hmk_check_walk(test, walk[i]);
	}
	kunit_info(test, "CPU %u went %u times\n", cpu, rounds);
	KUNIT_EXPECT_EQ(test, left, 0);
#else
	kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
#endif
}

#ifdef CONFIG_HOTPLUG_CPU
struct stayer {
	struct page *page;
	unsigned int cpu;
	unsigned int turns;		/* on a CPU that is about to go */
	unsigned int wrong;
	struct completion mapped;
};

/*
 * The scheduler looks for another task and finds none. So this one has a page mapped
 * on a CPU that is to have no tasks any more, but was not taken off it since it did
 * that, and is not pinned.
 */
static void stay_while_mapped(struct worker *worker)
{
	struct stayer *stayer = worker->data;
	unsigned long end = 0;
	void *addr = kmap_local_page(stayer->page);

	stayer->wrong += raw_smp_processor_id() != stayer->cpu;
	complete(&stayer->mapped);
	while (!worker_stopped(worker) && (!end || time_before(jiffies, end))) {
		preempt_disable();
		kunmap_local(addr);
		addr = kmap_local_page(stayer->page);
		preempt_enable();
		schedule();
		stayer->wrong += !stamped(addr, stayer->page, 94) ||
				 raw_smp_processor_id() != stayer->cpu;
		if (cpu_active(stayer->cpu))
			continue;
		stayer->turns++;
		end = end ?: jiffies + HZ / 10;
	}
	kunmap_local(addr);
}
#endif

/* The log must not have a warning then, either */
static void cpu_waits_for_mapping(struct kunit *test)
{
#ifdef CONFIG_HOTPLUG_CPU
	struct stayer *stayer = hmk_zalloc(test, sizeof(*stayer));
	struct worker *worker;

	NEEDS_TWO_CPUS(test);
	NEEDS_MAPPING(test);
	stayer->page = hmk_get_page(test, true);
	stamp_page(stayer->page, 94);
	stayer->cpu = second_cpu();
	init_completion(&stayer->mapped);
	worker = hmk_start_worker(test, stayer->cpu, stay_while_mapped, stayer);
	wait_for_completion_timeout(&stayer->mapped, PATIENCE);
	take_cpu(test, stayer->cpu);
	hmk_join_worker(test, worker);
	kunit_release_action(test, bring_back, (void *)(unsigned long)stayer->cpu);
	kunit_info(test, "%u turns\n", stayer->turns);
	KUNIT_EXPECT_GT(test, stayer->turns, 0);
	KUNIT_EXPECT_EQ(test, stayer->wrong, 0);
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

static void forty_deep_across_switches(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, DEEP);
	struct other *other;
	void *addr[DEEP];
	unsigned int i, wrong = 0;

	NEEDS_OURS(test);
	for (i = 0; i < DEEP; i++)
		stamp_page(set->page[i], 91);
	pin_to_cpu(test, first_cpu());
	other = start_other(test, hmk_get_page_set(test, true, SWITCH_MAPS));
	other->nr = SWITCH_MAPS;
	hmk_provoke(test, "nest");
	map_all(set, addr, DEEP);
	for (i = 0; i < 4; i++) {
		complete(&other->go);
		wait_for_completion_timeout(&other->done, PATIENCE);
		usleep_range(500, 1000);
		kmap_flush_unused();
		wrong += count_wrong(set, addr, DEEP, 91);
	}
	unmap_all(addr, DEEP);
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
#ifdef CONFIG_SMP
	KUNIT_EXPECT_EQ(test, current->migration_disabled, 0);
#endif
}

/* An interrupt that finds nearly all slots taken, and wants more than are left */
#define DEEP_VISIT	6

struct deep_visit {
	struct irq_work irq_work;
	struct page_set *set;
	unsigned int visits;
	unsigned int wrong;
	unsigned int beyond;
};

static void visit_deep(struct irq_work *irq_work)
{
	struct deep_visit *deep = container_of(irq_work, struct deep_visit, irq_work);
	void *addr[DEEP_VISIT];
	unsigned int i;

	map_all(deep->set, addr, DEEP_VISIT);
	deep->wrong += count_wrong(deep->set, addr, DEEP_VISIT, 92);
	for (i = 0; i < DEEP_VISIT; i++)
		deep->beyond += !in_local_slots(addr[i]);
	unmap_all(addr, DEEP_VISIT);
	deep->visits++;
}

static void end_deep_visit(void *data)
{
	struct deep_visit *deep = data;

	irq_work_sync(&deep->irq_work);
}

/*
 * Without sleep, as it is this task that is to be interrupted: where there is no
 * interrupt for it, irq_work waits for the next tick.
 */
static void interrupt_me(struct irq_work *irq_work)
{
	preempt_disable();
	irq_work_queue(irq_work);
	while (irq_work_is_busy(irq_work))
		cpu_relax();
	preempt_enable();
}

static void overflow_in_interrupt(struct kunit *test)
{
	struct deep_visit *deep = hmk_zalloc(test, sizeof(*deep));
	struct page_set *set = hmk_get_page_set(test, true, WALK_MAPS);
	unsigned int i, round, wrong = 0;
	void *addr[WALK_MAPS];

	NEEDS_OURS(test);
	deep->set = hmk_get_page_set(test, true, DEEP_VISIT);
	for (i = 0; i < DEEP_VISIT; i++)
		stamp_page(deep->set->page[i], 92);
	for (i = 0; i < WALK_MAPS; i++)
		stamp_page(set->page[i], 93);
	deep->irq_work = IRQ_WORK_INIT_HARD(visit_deep);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_deep_visit, deep), 0);
	pin_to_cpu(test, first_cpu());
	hmk_provoke(test, "nest");
	map_all(set, addr, WALK_MAPS);
	for (round = 0; round < 50; round++) {
		interrupt_me(&deep->irq_work);
		wrong += count_wrong(set, addr, WALK_MAPS, 93);
	}
	unmap_all(addr, WALK_MAPS);
	hmk_provoked(test);
	KUNIT_EXPECT_EQ(test, wrong + deep->wrong, 0);
	KUNIT_EXPECT_EQ(test, deep->visits, 50);
	KUNIT_EXPECT_EQ(test, deep->beyond, 50 * (DEEP_VISIT - 1));
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
}

#if OURS && defined(CONFIG_SMP)
/*
 * A parent that forks with a page mapped is pinned. Its child is not, for that, nor
 * for a leak that was taken back
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

static int look_at_pick(struct kprobe *kprobe, struct pt_regs *regs)
{
	struct pick *pick = container_of(kprobe, struct pick, kprobe);

	if (current == pick->task && map_depth(current)) {
		pick->picks++;
		pick->unpinned += !current->migration_disabled;
	}
	return 0;
}

NOKPROBE_SYMBOL(look_at_pick);

static void end_looking(void *data)
{
	struct pick *pick = data;

	unregister_kprobe(&pick->kprobe);
}

/*
 * The scheduler may put a task that leaves its CPU where other CPUs look for one as
 * soon as it picks the next (sched_ext does): by then the task must be pinned.
 */
static void pinned_before_next_is_picked(struct kunit *test)
{
	struct pick *pick = hmk_zalloc(test, sizeof(*pick));
	struct page *page = hmk_get_page(test, true);
	unsigned int i;
	void *addr;

	NEEDS_MAPPING(test);
	pick->task = current;
	pick->kprobe.symbol_name = "pick_next_task_fair";
	pick->kprobe.pre_handler = look_at_pick;
	KUNIT_ASSERT_EQ(test, register_kprobe(&pick->kprobe), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_looking, pick), 0);
	/* Where there are others than fair tasks, not each pick comes by there */
	for (i = 0; i < 100 && pick->picks < 5; i++) {
		addr = kmap_local_page(page);
		schedule_timeout_uninterruptible(1);
		kunmap_local(addr);
	}
	kunit_release_action(test, end_looking, pick);
	KUNIT_EXPECT_GT(test, pick->picks, 0);
	KUNIT_EXPECT_EQ(test, pick->unpinned, 0);
}
#else
static void pinned_before_next_is_picked(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_KPROBES and CONFIG_SMP");
}
#endif

static struct kunit_case highmem_switch_cases[] = {
	KUNIT_CASE_SLOW(tasks_in_crowds),
	KUNIT_CASE(switch_writes_what_differs),
	KUNIT_CASE(protections_leave_with_task),
	KUNIT_CASE_SLOW(tasks_in_migration_storms),
	KUNIT_CASE(moving_oneself_is_refused),
	KUNIT_CASE(cpu_leaves_nothing_behind),
	KUNIT_CASE_SLOW(tasks_while_cpus_go),
	KUNIT_CASE(cpu_waits_for_mapping),
	KUNIT_CASE(forty_deep_across_switches),
	KUNIT_CASE(overflow_in_interrupt),
#if OURS && defined(CONFIG_SMP)
	KUNIT_CASE(fork_drops_pin),
#endif
	KUNIT_CASE(pinned_before_next_is_picked),
	{}
};

static struct kunit_suite highmem_switch_suite = {
	.name = "highmem_switch",
	.init = hmk_remember_task,
	.exit = hmk_check_task,
	.test_cases = highmem_switch_cases,
};

kunit_test_suites(&highmem_switch_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: local mappings and the scheduler");
MODULE_LICENSE("GPL");
