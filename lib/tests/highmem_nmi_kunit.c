// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite "highmem_nmi": local mappings in NMIs, at each instruction of the code that
 * they interrupt. See highmem_kunit.h and highmem_kunit_whitebox.h.
 *
 * x86 can trap after each instruction. The trap enters the kernel as an NMI does: in_nmi()
 * is true, and interrupts may be off. A case single-steps an operation on local mappings.
 * After each instruction, the trap handler maps, checks and writes its own pages. kprobes
 * could not reach inline code, the scheduler and functions marked as not to be probed.
 *
 * The last case uses real NMIs.
 */

#include <linux/delay.h>
#include <linux/kdebug.h>

#ifdef CONFIG_X86
#include <asm/apic.h>
#include <asm/debugreg.h>
#include <asm/nmi.h>
#endif

#include "highmem_kunit_whitebox.h"

#ifdef CONFIG_X86

#define NMI_PAGES	5
#define NMI_MAPS	2
#define TASK_PAGES	18	/* more than the stack has slots for */

/* --------------------------------------------------------------- the NMI handler */

struct nmi {
	struct task_struct *task;	/* only when this task runs, unless NULL */
	void (*handler)(struct nmi *nmi);
	struct page_set *own;		/* only the handler maps these pages */
	u32 salt[NMI_PAGES];		/* of the last stamp of each page */
	unsigned int runs;
	void *left;			/* a slot with a PTE that the handler has left */
	unsigned int halves;		/* PTEs with only one half cleared */
	unsigned int refills;		/* of a slot that a flush has cleared */
	unsigned int over_maps;		/* runs above other mappings */
	unsigned int bad;		/* a page showed another page's data */
	unsigned int unbalanced;
};

/* Not the page that was last in this slot: a TLB may still have its entry. */
static unsigned int next_page(struct nmi *nmi, unsigned int i)
{
	return (nmi->runs * NMI_MAPS + i) % NMI_PAGES;
}

static void check_in_nmi(struct nmi *nmi, unsigned int i, const void *addr)
{
	nmi->bad += !stamped_nofault(addr, nmi->own->page[i], nmi->salt[i]);
}

/*
 * Checks each page at once, as the TLB flush for the next mapping may hide a missing one.
 */
static void nmi_map_nested(struct nmi *nmi)
{
	void *addr[NMI_MAPS];
	unsigned int i;

	for (i = 0; i < NMI_MAPS; i++) {
		addr[i] = kmap_local_page(nmi->own->page[next_page(nmi, i)]);
		check_in_nmi(nmi, next_page(nmi, i), addr[i]);
	}
	for (i = 0; i < NMI_MAPS && !nmi->bad; i++) {
		unsigned int nr = next_page(nmi, i);

		stamp(addr[i], nmi->own->page[nr], ++nmi->salt[nr]);
	}
	unmap_all(addr, NMI_MAPS);
	nmi->left = addr[0];
}

/*
 * Makes an eager mapping, whose PTE must be cleared, in one run of eight and when the
 * interrupted code has emptied the slot since the last run. Else does as above.
 */
static void nmi_map_eagerly(struct nmi *nmi)
{
	unsigned int i = next_page(nmi, 0);
	void *addr;

	if (nmi->runs % 8 && !(nmi->left && hmk_slot_empty(nmi->left))) {
		nmi_map_nested(nmi);
		return;
	}
	addr = kmap_local_page_prot(nmi->own->page[i], PAGE_KERNEL_RO);
	check_in_nmi(nmi, i, addr);
	kunmap_local(addr);
	nmi->bad += is_lazy() && !hmk_slot_empty(addr);
	nmi->left = NULL;
}

static void run_handler(struct nmi *nmi)
{
	int depth = map_depth(current);

	nmi->over_maps += depth != 0;
	nmi->handler(nmi);
	nmi->unbalanced += map_depth(current) != (depth & 0xffff);
	nmi->runs++;
}

static struct nmi *get_nmi(struct kunit *test)
{
	struct nmi *nmi = hmk_zalloc(test, sizeof(*nmi));
	unsigned int i;

	nmi->own = hmk_get_page_set(test, true, NMI_PAGES);
	for (i = 0; i < NMI_PAGES; i++)
		stamp_page(nmi->own->page[i], 0);
	return nmi;
}

static void check_nmi(struct kunit *test, struct nmi *nmi)
{
	unsigned int i, damaged = 0;

	for (i = 0; i < NMI_PAGES; i++)
		damaged += !page_stamped(nmi->own->page[i], nmi->salt[i]);
	KUNIT_EXPECT_EQ(test, nmi->bad, 0);
	KUNIT_EXPECT_EQ(test, nmi->unbalanced, 0);
	KUNIT_EXPECT_EQ(test, damaged, 0);
}

/* ------------------------------------------------------------------ single steps */

static struct nmi *stepped_nmi;

static __always_inline void set_trap_flag(bool on)
{
	unsigned long flags = native_save_fl() & ~X86_EFLAGS_TF;

	if (on)
		flags |= X86_EFLAGS_TF;
	asm volatile("push %0\n\tpopf" : : "r" (flags) : "memory", "cc");
}

/*
 * On 32-bit kernels a task keeps its flags across a switch. If the next task has
 * inherited the trap flag, the steps end.
 */
static int step(struct notifier_block *unused, unsigned long why, void *data)
{
	struct die_args *args = data;
	unsigned long *dr6 = (unsigned long *)args->err;
	struct nmi *nmi = READ_ONCE(stepped_nmi);

	if (why != DIE_DEBUG || !nmi || !(*dr6 & DR_STEP) || user_mode(args->regs))
		return NOTIFY_DONE;
	*dr6 &= ~DR_STEP;
	if (current == nmi->task)
		run_handler(nmi);
	else
		args->regs->flags &= ~X86_EFLAGS_TF;
	return NOTIFY_STOP;
}

static struct notifier_block step_notifier = { .notifier_call = step };

static int start_steps(struct kunit_suite *suite)
{
	return register_die_notifier(&step_notifier);
}

static void end_steps(struct kunit_suite *suite)
{
	unregister_die_notifier(&step_notifier);
}

/* The operation's pages, and their addresses. */
struct stepped_task {
	struct nmi *nmi;
	struct page_set *set;
	struct folio *folio;
	void *addr[TASK_PAGES];
	unsigned int bad;
};

static struct stepped_task *get_stepped_task(struct kunit *test)
{
	struct stepped_task *task = hmk_zalloc(test, sizeof(*task));
	unsigned int i;

	pin_to_cpu(test, first_cpu());
	task->nmi = get_nmi(test);
	task->nmi->task = current;
	task->set = hmk_get_page_set(test, true, TASK_PAGES);
	for (i = 0; i < TASK_PAGES; i++)
		stamp_page(task->set->page[i], 140);
	task->folio = hmk_get_folio(test, true, 2);
	for (i = 0; i < 4; i++)
		stamp_page(folio_page(task->folio, i), 140);
	return task;
}

static void check(struct stepped_task *task, unsigned int i, void *addr)
{
	task->bad += !stamped_nofault(addr, task->set->page[i], 140);
}

/*
 * Runs @operation, with @handler after each instruction. Returns how often @handler ran.
 */
static unsigned int steps_of(struct stepped_task *task, void (*handler)(struct nmi *),
			     void (*operation)(struct stepped_task *))
{
	task->nmi->runs = 0;
	task->nmi->handler = handler;
	WRITE_ONCE(stepped_nmi, task->nmi);
	set_trap_flag(true);
	operation(task);
	set_trap_flag(false);
	WRITE_ONCE(stepped_nmi, NULL);
	return task->nmi->runs;
}

/*
 * On an empty stack, above one mapping, and above an eager mapping, which makes the fast
 * paths call the slow ones.
 */
static void check_steps(struct kunit *test, void (*operation)(struct stepped_task *),
			unsigned int least)
{
	struct stepped_task *task = get_stepped_task(test);
	unsigned int below, i, steps, most = 0;
	struct page **page = task->set->page;
	int depth = 0;

	for (i = 0; i < 6; i++) {
		below = i / 2;
		if (below == 1)
			task->addr[0] = kmap_local_page(page[0]);
		else if (below == 2)
			task->addr[0] = kmap_local_page_prot(page[0], PAGE_KERNEL_RO);
		steps = steps_of(task, i & 1 ? nmi_map_eagerly : nmi_map_nested, operation);
		if (below) {
			check(task, 0, task->addr[0]);
			kunmap_local(task->addr[0]);
		}
		depth |= map_depth(current);
		most = max(most, steps);
		KUNIT_EXPECT_GE_MSG(test, steps, least, "instructions");
	}
	kunit_info(test, "up to %u instructions\n", most);
	KUNIT_EXPECT_EQ(test, depth, 0);
	KUNIT_EXPECT_EQ(test, task->bad, 0);
	check_nmi(test, task->nmi);
}

/* --------------------------------------------------------------------- operations */

static void map_one(struct stepped_task *task)
{
	void *addr = kmap_local_page(task->set->page[1]);

	check(task, 1, addr);
	kunmap_local(addr);
}

static void map_same_and_other(struct stepped_task *task)
{
	map_one(task);
	map_one(task);
	task->addr[2] = kmap_local_page(task->set->page[2]);
	check(task, 2, task->addr[2]);
	kunmap_local(task->addr[2]);
	map_one(task);
}

static void map_read_only(struct stepped_task *task)
{
	void *addr = kmap_local_page_prot(task->set->page[1], PAGE_KERNEL_RO);

	map_one(task);
	check(task, 1, addr);
	kunmap_local(addr);
	map_one(task);
}

static void map_nested(struct stepped_task *task)
{
	unsigned int i;

	for (i = 1; i < 5; i++)
		task->addr[i] = kmap_local_page(task->set->page[i]);
	for (i = 1; i < 5; i++)
		check(task, i, task->addr[i]);
	for (i = 4; i; i--)
		kunmap_local(task->addr[i]);
}

#ifdef folio_map_local
static void map_run(struct stepped_task *task)
{
	size_t len = 3 * PAGE_SIZE;
	void *addr = kmap_local_span(task->folio, PAGE_SIZE, &len);
	unsigned int i;

	for (i = 0; i < len / PAGE_SIZE; i++)
		task->bad += !stamped_nofault(addr + i * PAGE_SIZE,
					      folio_page(task->folio, i + 1), 140);
	kunmap_local_span(addr, len);
}
#else
#define map_run	map_nested
#endif

static void flush(struct stepped_task *task)
{
	kmap_flush_unused();
	map_one(task);
}

static void sleep_while_mapped(struct stepped_task *task)
{
	unsigned int i;

	for (i = 1; i < 3; i++)
		task->addr[i] = kmap_local_page(task->set->page[i]);
	schedule_timeout_uninterruptible(1);
	for (i = 1; i < 3; i++)
		check(task, i, task->addr[i]);
	for (i = 2; i; i--)
		kunmap_local(task->addr[i]);
}

static void unmap_out_of_order(struct stepped_task *task)
{
	unsigned int i;

	for (i = 1; i < 5; i++)
		task->addr[i] = kmap_local_page(task->set->page[i]);
	kunmap_local(task->addr[2]);
	kunmap_local(task->addr[3]);
	check(task, 1, task->addr[1]);
	check(task, 4, task->addr[4]);
	kunmap_local(task->addr[4]);
	check(task, 1, task->addr[1]);
	kunmap_local(task->addr[1]);
}

/* The last two pages, and those of the handler, are in overflow slots. */
static void map_deep(struct stepped_task *task)
{
	map_all(task->set, task->addr, TASK_PAGES);
	check(task, 5, task->addr[5]);
	check(task, TASK_PAGES - 1, task->addr[TASK_PAGES - 1]);
	unmap_all(task->addr, TASK_PAGES);
}

/* ------------------------------------------------------------------------ cases */

#ifdef CONFIG_X86_PAE
/* Looks for half of a PTE, and maps a page in a slot that is empty. */
static void nmi_refill_slot(struct nmi *nmi)
{
	pte_t pte = *virt_to_kpte((unsigned long)nmi->left);

	nmi->halves += !pte.pte_low != !pte.pte_high;
	if (!pte.pte_low) {
		void *addr = kmap_local_page(nmi->own->page[0]);

		nmi->bad += addr != nmi->left;
		check_in_nmi(nmi, 0, addr);
		kunmap_local(addr);
		nmi->refills++;
	}
}

static void flush_only(struct stepped_task *task)
{
	kmap_flush_unused();
}

static void flush_clears_pte_in_one_store(struct kunit *test)
{
	struct stepped_task *task = get_stepped_task(test);
	void *addr;

	hmk_require_lazy(test);
	addr = kmap_local_page(task->set->page[0]);
	kunmap_local(addr);
	task->nmi->left = addr;
	REQUIRES(test, virt_to_kpte((unsigned long)addr)->pte_high,
		 "needs pages whose PTEs have an upper half");
	steps_of(task, nmi_refill_slot, flush_only);
	KUNIT_EXPECT_EQ(test, task->nmi->halves, 0);
	KUNIT_EXPECT_GT(test, task->nmi->refills, 0);
	kmap_flush_unused();
	KUNIT_EXPECT_TRUE(test, hmk_slot_empty(addr));
	check_nmi(test, task->nmi);
}
#else
static void flush_clears_pte_in_one_store(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_X86_PAE");
}
#endif

static void kmap_local_page_at_each_step(struct kunit *test)
{
	REQUIRES_MAPPING(test);
	check_steps(test, map_one, 100);
	check_steps(test, map_same_and_other, 400);
	check_steps(test, map_nested, 400);
}

static void kmap_local_page_prot_at_each_step(struct kunit *test)
{
	REQUIRES_MAPPING(test);
	check_steps(test, map_read_only, 300);
}

static void kmap_local_span_at_each_step(struct kunit *test)
{
	REQUIRES_MAPPING(test);
	check_steps(test, map_run, 300);
}

static void kmap_flush_unused_at_each_step(struct kunit *test)
{
	REQUIRES_MAPPING(test);
	check_steps(test, flush, 300);
}

static void other_task_maps(struct worker *worker)
{
	struct page_set *set = worker->data;
	void *addr[4];

	while (!worker_stopped(worker)) {
		map_all(set, addr, 4);
		usleep_range(100, 200);
		unmap_all(addr, 4);
	}
}

/* __schedule() clears eager PTEs, and restores the task's PTEs. */
static void switch_at_each_step(struct kunit *test)
{
	struct page_set *set = hmk_get_page_set(test, true, 4);
	struct worker *worker;

	REQUIRES_MAPPING(test);
	worker = hmk_start_worker(test, first_cpu(), other_task_maps, set);
	check_steps(test, sleep_while_mapped, 1000);
	WRITE_ONCE(worker->stop, true);
	hmk_join_worker(test, worker);
}

/* Warnings come once per boot. They are printed before the steps begin. */
static void check_steps_of_misuse(struct kunit *test, const char *report,
				  void (*operation)(struct stepped_task *))
{
	struct stepped_task *task = get_stepped_task(test);
	unsigned int steps;

	hmk_provoke(test, report);
	operation(task);
	hmk_provoked(test);
	steps = steps_of(task, nmi_map_nested, operation);
	kunit_info(test, "%u instructions\n", steps);
	KUNIT_EXPECT_GE_MSG(test, steps, 800, "instructions");
	KUNIT_EXPECT_EQ(test, map_depth(current), 0);
	KUNIT_EXPECT_EQ(test, task->bad, 0);
	check_nmi(test, task->nmi);
}

static void misuse_at_each_step(struct kunit *test)
{
	REQUIRES_INTERNALS(test);
	check_steps_of_misuse(test, "out of order", unmap_out_of_order);
	check_steps_of_misuse(test, "nested", map_deep);
}

/* --------------------------------------------------------------------- real NMIs */

#ifdef CONFIG_X86_LOCAL_APIC
static struct nmi *real;

static int handle_nmi(unsigned int type, struct pt_regs *regs)
{
	struct nmi *nmi = READ_ONCE(real);

	if (!nmi || raw_smp_processor_id() != first_cpu())
		return NMI_DONE;
	run_handler(nmi);
	return NMI_HANDLED;
}

static void end_nmis(void *unused)
{
	WRITE_ONCE(real, NULL);
	unregister_nmi_handler(NMI_LOCAL, "highmem_kunit");
}

static void send_nmis(struct worker *worker)
{
	while (!worker_stopped(worker)) {
		__apic_send_IPI_mask(cpumask_of(first_cpu()), NMI_VECTOR);
		usleep_range(20, 100);
	}
}

/*
 * This CPU maps and unmaps at random and sometimes flushes, while another CPU sends NMIs.
 */
static void random_walk_with_nmis(struct kunit *test)
{
	struct walk *walk = hmk_get_walk(test, 141, TASK_MAPS);
	unsigned long end = jiffies + 2 * HZ;
	struct nmi *nmi = get_nmi(test);
	struct worker *worker;

	REQUIRES_MAPPING(test);
	REQUIRES_TWO_CPUS(test);
	pin_to_cpu(test, first_cpu());
	nmi->handler = nmi_map_nested;
	KUNIT_ASSERT_EQ(test, register_nmi_handler(NMI_LOCAL, handle_nmi, 0, "highmem_kunit"), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_nmis, NULL), 0);
	WRITE_ONCE(real, nmi);
	worker = hmk_start_worker(test, second_cpu(), send_nmis, NULL);
	while (time_before(jiffies, end)) {
		hmk_walk_step(walk);
		if (walk->steps % 64 == 0)
			kmap_flush_unused();
		cond_resched();
	}
	while (walk->nr_held)
		hmk_walk_unmap(walk);
	WRITE_ONCE(worker->stop, true);
	hmk_join_worker(test, worker);
	kunit_release_action(test, end_nmis, NULL);

	kunit_info(test, "%u NMIs, %u over mappings, %u steps\n", nmi->runs, nmi->over_maps,
		   walk->steps);
	KUNIT_EXPECT_GT(test, nmi->over_maps, 10);
	check_nmi(test, nmi);
	hmk_check_walk(test, walk);
}
#else
static void random_walk_with_nmis(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_X86_LOCAL_APIC");
}
#endif

#else

static void requires_x86(struct kunit *test)
{
	kunit_skip(test, "needs x86, which can trap after each instruction");
}

#endif

static struct kunit_case highmem_nmi_cases[] = {
#ifdef CONFIG_X86
	KUNIT_CASE(kmap_local_page_at_each_step),
	KUNIT_CASE(kmap_local_page_prot_at_each_step),
	KUNIT_CASE(kmap_local_span_at_each_step),
	KUNIT_CASE(kmap_flush_unused_at_each_step),
	KUNIT_CASE(flush_clears_pte_in_one_store),
	KUNIT_CASE(switch_at_each_step),
	KUNIT_CASE(misuse_at_each_step),
	KUNIT_CASE_SLOW(random_walk_with_nmis),
#else
	KUNIT_CASE(requires_x86),
#endif
	{}
};

static struct kunit_suite highmem_nmi_suite = {
	.name = "highmem_nmi",
#ifdef CONFIG_X86
	.suite_init = start_steps,
	.suite_exit = end_steps,
#endif
	.init = hmk_remember_task,
	.exit = hmk_check_task,
	.test_cases = highmem_nmi_cases,
};

kunit_test_suites(&highmem_nmi_suite);

MODULE_DESCRIPTION("KUnit suite for high memory: local mappings in NMIs");
MODULE_LICENSE("GPL");
