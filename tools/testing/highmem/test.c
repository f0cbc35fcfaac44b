// SPDX-License-Identifier: GPL-2.0
/*
 * mm/pkmap.c and mm/kmap_local.c in user space: tasks call kmap(), kmap_local_page() and
 * the other functions in any order that is allowed, and misuse some of them, on the
 * machine of machine.h.
 *
 * Checked at each moment at which it can be seen:
 *
 *   - The address of a mapped page leads to that page and no other.
 *   - page_address(), the helpers of kmap_to_page() and is_kmap_addr() agree.
 *   - A page is in one slot of the pool at most, with the right number of holders. No TLB
 *     caches a clean slot.
 *   - No task sleeps while it may have a slot, or in atomic context.
 *   - After kmap_flush_unused() no page table and no TLB has the mappings that were idle.
 *   - A task with nothing mapped is not pinned, and its idx is 0.
 *   - Each misuse is reported, does no harm, and nothing else is reported.
 *
 * Programs (see Makefile): with THREADS, "threads SECONDS SEED"; else "tasks SECONDS SEED"
 * with random numbers, or a libFuzzer target if FUZZER is defined.
 */
#include "shim.h"
#include <mm/kmap_local.c>
#if !SIM_FIRST_BLOCK
/* In one of the programs as on architectures that flush range by range. */
#undef pkmap_flush_tlb_all
#endif
#include <mm/pkmap.c>
#include <mm/highmem.c>
#include "machine.h"

/*
 * The number of pages for kmap(). With few pages, tasks often use the same ones. With
 * many, they also use up the overflow slots.
 */
#define FEW_PAGES	14
#define MANY_PAGES	32
#define NEVER_PAGE	(SIM_PAGES - 1)	/* no task calls kmap() for it */
static bool many_pages;

static unsigned int a_kmap_page(void)
{
	return chance(many_pages ? MANY_PAGES : FEW_PAGES);
}

static bool in_overflow(unsigned long addr)
{
	return is_kmap_local_overflow(addr);
}

/* Uses a mapping that the task itself holds. */
static void use_mapping(const struct mapping *m)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		use(m->addr + i * PAGE_SIZE, &sim_pages[m->page + i]);
}

static void use_locals(struct task *task)
{
	unsigned int i;

	for (i = task->away; i < task->nr_locals; i++)
		use_mapping(&task->locals[i]);
}

static void use_all(struct task *task)
{
	unsigned int i;

	use_locals(task);
	for (i = 0; i < task->nr_kmaps; i++)
		use_mapping(&task->kmaps[i]);
}

static void expect(const char *text)
{
	self()->expected = text;
	self()->warned = 0;
}

/* Ends expect(): the warning must have come if @warning is true, and not otherwise. */
static void expected(bool warning)
{
	struct task *task = self();

	check(!warning == !task->warned, "%s warning \"%s\"",
	      warning ? "no" : "wrong", task->expected);
	task->expected = NULL;
}

/* Local mappings --------------------------------------------------------------- */

static void local_op_begins(struct task *task)
{
	task->in_local_op++;
}

static void local_op_ends(struct task *task)
{
	const struct kmap_ctrl *ctrl = &task->t.kmap_ctrl;
	unsigned int i;
	int n;

	task->in_local_op--;
	if (task->nr_locals || task->nested || task->in_local_op)
		return;
	quiet = IS_ENABLED(THREADS) ? quiet : true;
	check(!ctrl->idx, "idx is %#x with nothing mapped", ctrl->idx);
	check(!ctrl->slow, "holes %#x, special %u with nothing mapped", ctrl->holes,
	      ctrl->special);
	check(!ctrl->pinned || task->may_stay_pinned, "pinned with nothing mapped");
	task->may_stay_pinned = ctrl->pinned;
	check(task->t.migration_disabled == ctrl->pinned,
	      "migration_disabled is %u with nothing mapped, pinned is %u",
	      task->t.migration_disabled, ctrl->pinned);
	for (n = 0, i = 0; n < KM_MAX_IDX; n++)
		i += !!pte_val(ctrl->pteval[n]);
	check(!i, "%u notes left with nothing mapped", i);
	quiet = IS_ENABLED(THREADS) ? quiet : false;
}

static void check_new(const struct task *task, const struct mapping *m)
{
	unsigned int i;

	for (i = 0; i < task->nr_locals; i++) {
		const struct mapping *old = &task->locals[i];

		check(m->addr + m->nr * PAGE_SIZE <= old->addr ||
		      old->addr + old->nr * PAGE_SIZE <= m->addr,
		      "two mappings at %#lx", m->addr);
	}
	for (i = 0; i < m->nr; i++) {
		struct page *page = &sim_pages[m->page + i];
		void *addr = (void *)(m->addr + i * PAGE_SIZE + 5);

		check(is_kmap_addr(addr), "is_kmap_addr(%p) is false", addr);
		check(kmap_local_to_page(addr) == page,
		      "kmap_local_to_page(%p) is wrong", addr);
	}
}

/* All tasks together must not use up the overflow slots. Only leaks may. */
static bool may_map(const struct task *task)
{
	unsigned int i, overflows = 0;

	for (i = 0; i < task->nr_locals; i++)
		overflows += in_overflow(task->locals[i].addr);
	return task->nr_locals < MAX_LOCALS - (task->nested ? 0 : 4) &&
	       overflows < (task->nested ? 7 : 6);
}

static void local_map(unsigned int nr, bool other_prot)
{
	struct task *task = self();
	/* Half of the time a page that other tasks map as well. */
	struct mapping m = { .page = chance(chance(2) ? SIM_PAGES - 8 : 2), .nr = nr };
	struct page *page;
	unsigned int room;

	/* A run is of one folio. */
	if (nr > 1)
		m.page = m.page / SIM_BLOCK * SIM_BLOCK + m.page % (SIM_BLOCK - 8);
	page = &sim_pages[m.page];
	if (!may_map(task))
		return;

	local_op_begins(task);
	expect("no warning");
	if (nr > 1) {
		room = kmap_local_room(nr);
		m.addr = (unsigned long)__kmap_local_pages(page, &nr);
		check(nr == room, "%u pages mapped, not %u", nr, room);
		m.nr = nr;
	} else if (other_prot) {
		m.other_prot = true;
		m.addr = (unsigned long)kmap_local_page_prot(page, SIM_PROT_OTHER);
	} else {
		m.addr = (unsigned long)kmap_local_page(page);
	}
	check(m.addr != overflow_vaddr(overflow_slots), "no overflow slot is left");
	expected(false);
	use_mapping(&m);
	check_new(task, &m);
	task->locals[task->nr_locals++] = m;
	local_op_ends(task);
	use_locals(task);
}

static bool stays(const struct mapping *m)
{
	return kmap_local_is_lazy() && !m->other_prot;
}

static void local_unmap(unsigned int i)
{
	struct task *task = self();
	struct mapping m = task->locals[i];
	bool ordered = i == task->nr_locals - 1 || in_overflow(m.addr);
	/* By an address behind or before the mapping, or in any page of a run. */
	bool by_end = !chance(8);
	unsigned int switches = task->switches, n, pieces = 0;
	unsigned long addr = m.addr +
			     (!by_end ? chance(2) * 7 + chance(m.nr) * PAGE_SIZE :
			      chance(2) ? m.nr * PAGE_SIZE : -5);

	local_op_begins(task);
	use_mapping(&m);
	task->nr_locals--;
	for (n = i; n < task->nr_locals; n++)
		task->locals[n] = task->locals[n + 1];

	pieces += !ordered + by_end;
	expect(pieces ? "highmem: " : "no warning");
	kunmap_local((void *)addr);
	check(task->warned == pieces, "%u warnings, not %u", task->warned, pieces);
	expected(pieces);

	for (n = 0; n < m.nr; n++) {
		note_release(m.addr + n * PAGE_SIZE);
		/* Unless other tasks may have used the slot meanwhile. */
		check(stays(&m) || task->switches != switches || in_overflow(m.addr) ||
		      pte_none(sim_ptes[vpn_of(m.addr) + n]),
		      "mapping at %#lx stays", m.addr);
	}
	local_op_ends(task);
	use_locals(task);
}

/* An address that the task has not mapped, or has unmapped. */
static void local_misuse(void)
{
	struct task *task = self();
	unsigned int i, n = chance(KM_MAX_IDX), cpu = chance(SIM_CPUS);
	unsigned long addr = __fix_to_virt(cpu * KM_MAX_IDX + n);
	struct kmap_ctrl before = task->t.kmap_ctrl;

	for (i = 0; i < task->nr_locals; i++) {
		const struct mapping *m = &task->locals[i];

		if (addr + PAGE_SIZE - m->addr <= (m->nr + 1) * PAGE_SIZE)
			return;
	}
	local_op_begins(task);
	if (n == 0 && cpu == 0) {
		/* A overflow slot that another task may hold. */
		addr = km_overflow_start + chance(64) * PAGE_SIZE;
		for (i = 0; i < task->nr_locals; i++) {
			if (addr + PAGE_SIZE - task->locals[i].addr <= 2 * PAGE_SIZE)
				addr = km_overflow_start - PAGE_SIZE;
		}
		expect("highmem: kunmap_local() of address");
	} else {
		expect("has not mapped");
	}
	kunmap_local((void *)addr);
	expected(true);
	before.pinned = task->t.kmap_ctrl.pinned;
	check(!memcmp(&before, &task->t.kmap_ctrl, offsetof(struct kmap_ctrl, pteval)),
	      "misuse has changed the stack");
	local_op_ends(task);
	use_locals(task);
}

/* The pool ---------------------------------------------------------------------- */

#ifdef THREADS
#define busy_page(page, n)	((void)(page))
static void page_released(unsigned int page) { }
static void check_woken(unsigned long grown_at) { }
static bool slot_is_stuck(const struct pkmap_slot *slot) { return false; }
static void note_queued(struct task *task) { }
#else
static unsigned int busy[SIM_PAGES];	/* calls for this page that have not ended */
static unsigned long used_at[SIM_PAGES];	/* when the last one ended */
static bool stuck[SIM_PAGES];		/* too many holders, for ever */
#define busy_page(page, n)	(busy[page] += (n))
static void page_released(unsigned int page) { used_at[page] = sim_now; }

/* The pool has grown, so all waiting tasks must be awake. */
static void check_woken(unsigned long grown_at)
{
	unsigned int i;

	for (i = 0; i < TASKS; i++)
		check(tasks[i].t.state == TASK_RUNNING || tasks[i].queued_at >= grown_at,
		      "task %d sleeps on, though the pool has grown", tasks[i].t.pid);
}

static bool slot_is_stuck(const struct pkmap_slot *slot)
{
	return slot->page && stuck[slot->page - sim_pages];
}
#endif

static void pool_map(unsigned int nr)
{
	struct task *task = self();
	struct mapping m = { .page = nr, .nr = 1 };
	struct page *page = &sim_pages[nr];
	bool memalloc = many_pages ? task->t.pid % 2 : !chance(8);

	if (task->nr_kmaps == (many_pages ? MAX_KMAPS : FEW_KMAPS))
		return;
	if (memalloc)
		task->t.flags |= PF_MEMALLOC;
	busy_page(nr, 1);
	task->wanted = nr;
	task->grown_at = 0;
	m.addr = (unsigned long)kmap(page);
	if (task->grown_at)
		check_woken(task->grown_at);
	task->t.flags &= ~PF_MEMALLOC;
	use_mapping(&m);
	check(page_address(page) == (void *)m.addr,
	      "page_address() is another than kmap() returned");
	check(is_kmap_addr((void *)m.addr), "is_kmap_addr(%#lx) is false", m.addr);
	/* Nothing is mapped there: the lookup searches all areas. */
	check(!is_kmap_addr((void *)__fix_to_virt(FIX_KMAP_END + 1)),
	      "is_kmap_addr() is true behind vmalloc space");
	check(pkmap_to_page(m.addr) == page, "pkmap_to_page() is wrong");
	task->kmaps[task->nr_kmaps++] = m;
	busy_page(nr, -1);
}

static void pool_unmap(struct task *task, unsigned int i)
{
	struct mapping m = task->kmaps[i];

	use_mapping(&m);
	check(page_address(&sim_pages[m.page]) == (void *)m.addr,
	      "a held page has moved");
	task->kmaps[i] = task->kmaps[--task->nr_kmaps];
	busy_page(m.page, 1);
	kunmap_high(&sim_pages[m.page]);
	busy_page(m.page, -1);
	page_released(m.page);
}

/* As in an interrupt. */
static void pool_get(unsigned int nr)
{
	struct mapping m = { .page = nr, .nr = 1 };

	busy_page(nr, 1);
	m.addr = (unsigned long)kmap_high_get(&sim_pages[nr]);
	if (m.addr) {
		use_mapping(&m);
		sim_point();
		use_mapping(&m);
		kunmap_high(&sim_pages[nr]);
	}
	busy_page(nr, -1);
	page_released(nr);
}

/* Mapped without a holder: one kunmap() too many. */
static void pool_unmap_idle(unsigned int nr)
{
#ifndef THREADS
	struct pkmap_slot *slot;

	quiet = true;
	if (!busy[nr] && page_slot(&sim_pages[nr], &slot, NULL) &&
	    pkmap_state(slot) == PKMAP_IDLE) {
		expect("that is not mapped");
		kunmap_high(&sim_pages[nr]);
		expected(true);
		check(pkmap_state(slot) == PKMAP_IDLE, "misuse has changed a slot");
	}
	quiet = false;
#endif
}

/* kmap() with interrupts off warns, and works. */
static void pool_map_irqs_off(unsigned int nr)
{
#ifndef THREADS
	struct task *task = self();

	expect("");
	task->mistaken = true;
	task->t.irqs_off = true;
	pool_map(nr);
	end_mistake();
	task->expected = NULL;
#endif
}

static void pool_misuse(void)
{
	if (!chance(4))
		pool_map_irqs_off(a_kmap_page());
	pool_unmap_idle(a_kmap_page());
	expect("that is not mapped");
	kunmap_high(&sim_pages[NEVER_PAGE]);
	expected(true);
	check(!page_address(&sim_pages[NEVER_PAGE]), "page_address() of a page never mapped");
}

/*
 * Does @cpu use @vpn? Only its own CPU uses a local slot, any CPU a overflow slot.
 */
static bool may_use(unsigned int cpu, unsigned int vpn)
{
	unsigned long addr = SIM_BASE + vpn * PAGE_SIZE;

	if (in_overflow(addr))
		return false;	/* flushed before its next use */
	return !is_kmap_local_fixmap(addr) ||
	       (SIM_PTES - 1 - vpn) / KM_MAX_IDX == cpu;
}

#ifndef THREADS
/* More holders than a state word can count. All but one leak. */
static void pool_leak(void)
{
	struct task *task = self();
	struct mapping *m = &task->kmaps[0];
	struct pkmap_slot *slot;

	if (!task->nr_kmaps || stuck[m->page] || busy[m->page])
		return;
	quiet = true;
	stuck[m->page] = true;
	check(page_slot(&sim_pages[m->page], &slot, NULL), "a held page is not findable");
	slot->state.counter = (INT_MAX & ~PKMAP_FILL_MASK) |
			      (slot->state.counter & PKMAP_FILL_MASK);
	quiet = false;
	use_mapping(m);
}

static bool local_is_held(unsigned int vpn)
{
	int cpu;
	unsigned int i;

	for (cpu = 0; cpu < SIM_CPUS; cpu++) {
		struct task *task = cpus[cpu].task;

		if (task->in_local_op)
			return true;
		for (i = 0; i < task->nr_locals; i++) {
			const struct mapping *m = &task->locals[i];

			if (vpn - vpn_of(m->addr) < m->nr)
				return true;
		}
	}
	/* Mappings in overflow slots stay while their task is scheduled out. */
	for (i = 0; i < TASKS * MAX_LOCALS; i++) {
		const struct task *task = &tasks[i / MAX_LOCALS];

		if (i % MAX_LOCALS < task->nr_locals &&
		    vpn_of(task->locals[i % MAX_LOCALS].addr) == vpn &&
		    in_overflow(task->locals[i % MAX_LOCALS].addr))
			return true;
		if (task->in_local_op && in_overflow(SIM_BASE + vpn * PAGE_SIZE))
			return true;
	}
	return false;
}

static bool page_is_held(unsigned int page)
{
	unsigned int i, t;

	for (t = 0; t < TASKS; t++) {
		for (i = 0; i < tasks[t].nr_kmaps; i++) {
			if (tasks[t].kmaps[i].page == page)
				return true;
		}
	}
	return false;
}

/* May a page table or TLB hold @pte at @vpn, after a flush that began at @began? */
static bool may_be_known(unsigned int vpn, pte_t pte, unsigned long began)
{
	unsigned long addr = SIM_BASE + vpn * PAGE_SIZE;
	unsigned int page;

	if (!(pte_val(pte) & _PAGE_PRESENT))
		return true;
	if (changed_at[vpn] >= began || released_at[vpn] >= began)
		return true;
	if (!is_pkmap_addr(addr))
		return local_is_held(vpn);
	page = pte_page(pte) - sim_pages;
	return busy[page] || used_at[page] >= began || stuck[page] ||
	       page_is_held(page);
}

/*
 * Is @pte, from the TLB of the CPU that owns @vpn, that of a page whose PTE was replaced
 * before a flush began at @began?
 */
static bool is_stale(unsigned int vpn, pte_t pte, unsigned long began)
{
	return (pte_val(sim_ptes[vpn]) & _PAGE_PRESENT) &&
	       pte_val(pte) != pte_val(sim_ptes[vpn]) && changed_at[vpn] < began;
}

static void check_flushed(unsigned long began)
{
	unsigned int vpn, cpu;

	quiet = true;
	for (vpn = 0; vpn < SIM_PTES; vpn++) {
		pte_t pte = sim_ptes[vpn];

		check(may_be_known(vpn, pte, began),
		      "%#lx shows frame %#llx after kmap_flush_unused()",
		      SIM_BASE + vpn * PAGE_SIZE, (unsigned long long)pte_pfn(pte));
		for (cpu = 0; cpu < SIM_CPUS; cpu++) {
			if (!tlb_knows(&cpus[cpu], vpn) || !may_use(cpu, vpn))
				continue;
			pte.pte = cpus[cpu].tlb[vpn].pte;
			check(may_be_known(vpn, pte, began) && !is_stale(vpn, pte, began),
			      "CPU %u knows %#lx after kmap_flush_unused()", cpu,
			      SIM_BASE + vpn * PAGE_SIZE);
		}
	}
	quiet = false;
}
#else
static void pool_leak(void) { }
static void check_flushed(unsigned long began) { }
#endif

static void flush_unused(void)
{
	unsigned long began = sim_now + 1;

	sim_point();
	kmap_flush_unused();
	check_flushed(began);
}

/* What tasks and interrupts do -------------------------------------------------- */

static void interrupt(bool hard)
{
	struct task *task = self();
	unsigned int locals = task->nr_locals, left = 1 + chance(3);
	const char *was_expected = task->expected;
	unsigned int warned = task->warned;

	task->nested++;
	task->switches++;
	if (hard) {
		task->t.irqs_off = true;
		task->t.hardirq++;
	} else {
		task->t.softirq++;
	}
	use_locals(task);
	while (left--) {
		switch (chance(6)) {
		case 0:
			pool_get(a_kmap_page());
			break;
		case 1:
			local_map(1, true);
			break;
		case 2:
			local_map(1 + chance(4), false);
			break;
		case 3:
			if (task->nr_locals > locals)
				local_unmap(locals + chance(task->nr_locals - locals));
			break;
		default:
			local_map(1, false);
		}
	}
	while (task->nr_locals > locals)
		local_unmap(task->nr_locals - 1);
	use_locals(task);
	if (hard) {
		task->t.hardirq--;
		task->t.irqs_off = false;
	} else {
		task->t.softirq--;
	}
	task->nested--;
	task->expected = was_expected;
	task->warned = warned;
}

/*
 * A tracer maps pages, and unmaps all of them. It runs before the run queue is locked, or
 * with the lock held.
 */
static void tracer(void)
{
	struct task *task = self();
	unsigned int locals = task->nr_locals, left = chance(4) ? 0 : 1 + chance(3);
	const char *was_expected = task->expected;
	unsigned int warned = task->warned;
	int idx = task->t.kmap_ctrl.idx;

	task->nested++;
	task->switches++;
	while (left--)
		local_map(1 + chance(2), !chance(3));
	while (task->nr_locals > locals)
		local_unmap(task->nr_locals - 1);
	check(task->t.kmap_ctrl.idx == idx, "a tracer leaves depth %d, not %d",
	      task->t.kmap_ctrl.idx, idx);
	task->nested--;
	task->expected = was_expected;
	task->warned = warned;
}

static void one_operation(bool may_block)
{
	struct task *task = self();

	switch (chance(24)) {
	case 0 ... 3:
		if (may_block)
			pool_map(a_kmap_page());
		break;
	case 4 ... 6:
		if (may_block && task->nr_kmaps && (!many_pages || !chance(4)))
			pool_unmap(task, chance(task->nr_kmaps));
		break;
	case 7 ... 9:
		local_map(1, false);
		break;
	case 10:
		local_map(2 + chance(9), false);
		break;
	case 11:
		local_map(1, true);
		break;
	case 12 ... 14:
		if (task->nr_locals)
			local_unmap(task->nr_locals - 1);
		break;
	case 15:
		if (task->nested || in_hardirq() || irqs_disabled())
			break;
		/* As below spin_lock_irq(): a later call drops the pin. */
		local_irq_disable();
		task->may_stay_pinned = true;
		while (task->nr_locals)
			local_unmap(task->nr_locals - 1);
		local_irq_enable();
		migrate_disable();
		sim_point();
		migrate_enable();
		break;
	case 16:
		if (task->nr_locals)
			local_unmap(chance(task->nr_locals));
		break;
	case 17:
		if (may_block)
			flush_unused();
		break;
	case 18:
		local_misuse();
		break;
	case 19:
		if (chance(4))
			pool_get(a_kmap_page());
		else
			pool_misuse();
		break;
	case 20:
		/* Up to the end of the overflow area. */
		while (may_map(task) && chance(16))
			local_map(1, false);
		break;
	case 21:
		if (chance(2)) {
			/*
			 * Other code calls migrate_disable() as well, around mappings and
			 * between them.
			 */
			migrate_disable();
			local_map(1, false);
			migrate_enable();
			break;
		}
		current->preempt++;
		local_map(1, false);
		use_all(task);
		if (task->nr_locals)
			local_unmap(task->nr_locals - 1);
		current->preempt--;
		break;
	case 22:
		if (!chance(16))
			pool_leak();
		break;
	default:
		use_all(task);
		sim_schedule();
	}
	use_all(task);
	this_cpu->ops++;
}

static void release_all(struct task *task)
{
	while (task->nr_locals)
		local_unmap(task->nr_locals - 1);
	while (task->nr_kmaps)
		pool_unmap(task, task->nr_kmaps - 1);
}

/* Begin and end ------------------------------------------------------------------- */

static void init_task(struct task *task, int pid, int cpu)
{
	memset(task, 0, offsetof(struct task, cpu));
	task->t.comm = "task";
	task->t.pid = pid;
	task->cpu = cpu;
	task->done = false;
}

/* The state after boot; nothing of the last run is left. */
static void boot(bool eager, unsigned int begin)
{
	/* Before each change of the sign of jiffies, after the first one, and at 0. */
	static const u64 begins[] = { 0, 0x7fffff80, 0x80010000, 0xffffff80 };
	unsigned int i;

	quiet = true;
	memory_is_out = false;
	for (i = 0; i < ALLOCATIONS; i++) {
		free(allocated[i]);
		allocated[i] = NULL;
	}
	memset(sim_pages, 0, sizeof(sim_pages));
	memset(sim_ptes, 0, sizeof(sim_ptes));
	memset(behind, 0, sizeof(behind));
	memset(pkmap_clean, 0, sizeof(pkmap_clean));
	pkmap_areas = NULL;
	pkmap_nr_areas = 0;
	boot_jiffies = begins[begin % ARRAY_SIZE(begins)];
	pkmap_grow_after = 0;
	/* all_sleep() advances the time by seconds. */
	pkmap_patience = INT_MAX;
	memset(&pkmap_grow_lock, 0, sizeof(pkmap_grow_lock));
	pkmap_page_table = virt_to_kpte(PKMAP_BASE);
	memset(&pkmap_wait_queue, 0, sizeof(pkmap_wait_queue));
	memset(km_overflow, 0, sizeof(km_overflow));
	vmalloc_next = SIM_VMALLOC;
	km_limit = 0;
	kmap_local_eager = eager;
	for (i = 0; i < SIM_CPUS; i++) {
		struct cpu *cpu = &cpus[i];

		init_task(&cpu->idle, 0, i);
		cpu->id = i;
		cpu->task = &cpu->idle;
		cpu->ipi = false;
		cpu->is_idle = true;
		cpu->countdown = 1;
		memset(cpu->tlb, 0, sizeof(cpu->tlb));
		memset(cpu->generation, 1, sizeof(cpu->generation));
	}
	this_cpu = &cpus[0];
	page_address_init();
	check(!pkmap_init(), "no area for PF_MEMALLOC");
	check(!kmap_local_overflow_init(), "no overflow area");
#if KMAP_LOCAL_LAZY
	check(!kmap_local_lazy_init(), "no hotplug state");
#endif
	quiet = false;
}

/* Counts the clean slots, and checks their state. */
static unsigned int count_clean(void)
{
	struct pkmap_slot *slot;
	unsigned int nr = 0, cpu;

	for (slot = pkmap_clean[0].first; slot; slot = slot->next) {
		unsigned int vpn = vpn_of((unsigned long)slot->vaddr);

		nr++;
		check(pkmap_state(slot) == PKMAP_UNMAPPED, "a clean slot is in state %d",
		      pkmap_state(slot));
		check(!pte_val(sim_ptes[vpn]), "a clean slot is mapped");
		for (cpu = 0; cpu < SIM_CPUS; cpu++)
			check(!tlb_knows(&cpus[cpu], vpn), "CPU %u knows a clean slot", cpu);
	}
	return nr;
}

/* All tasks have ended: no slot is held, and no PTE is left after a flush. */
static void check_end(void)
{
	unsigned int vpn, cpu, nr, unmapped = 0;
	struct pkmap_slot *slot;

	quiet = true;
	this_cpu = &cpus[0];
	for (slot = pkmap_first_slot(); slot; slot = slot->all) {
		int state = pkmap_state(slot);

		check(slot_is_stuck(slot) || state == PKMAP_IDLE || state == PKMAP_UNMAPPED,
		      "a slot is in state %d in the end", state);
	}
	for (nr = 0; nr < overflow_slots; nr++)
		check(!km_overflow[nr], "overflow slot %u is not free", nr);
	check(!pkmap_wait_queue.nr, "a sleeper is left in the queue");

	kmap_flush_unused();
	for (slot = pkmap_first_slot(); slot; slot = slot->all) {
		int state = pkmap_state(slot);

		check(slot_is_stuck(slot) || state == PKMAP_UNMAPPED,
		      "a slot is in state %d after flushing", state);
		unmapped += state == PKMAP_UNMAPPED;
	}
	nr = count_clean();
	check(nr == unmapped && nr == pkmap_clean[0].nr,
	      "%u slots are clean in the end, not %u", nr, unmapped);
	for (vpn = 0; vpn < SIM_PTES; vpn++) {
		struct page *page = pte_page(sim_ptes[vpn]);

#ifndef THREADS
		if (page && stuck[page - sim_pages])
			continue;
#endif
		check(!page, "%#lx is mapped in the end", SIM_BASE + vpn * PAGE_SIZE);
		for (cpu = 0; cpu < SIM_CPUS; cpu++)
			check(!tlb_knows(&cpus[cpu], vpn) || !may_use(cpu, vpn),
			      "CPU %u knows %#lx in the end", cpu,
			      SIM_BASE + vpn * PAGE_SIZE);
	}
	quiet = false;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

#ifdef THREADS

#include <pthread.h>

static struct task threads[SIM_CPUS][2];

/*
 * The CPU's other task runs one to three operations on top of the first task, and keeps its
 * mappings. It must not wait: the first task may hold the lock.
 */
static void run_second_task(void)
{
	struct task *first = self(), *second = &threads[this_cpu->id][1];
	unsigned int left = 1 + chance(3);

	if (first == second)
		return;
	switch_out();
	this_cpu->task = second;
	switch_in();
	while (left--)
		one_operation(false);
	switch_out();
	this_cpu->task = first;
	switch_in();
}

static void *run_cpu(void *cpu)
{
	struct task *first, *second;

	this_cpu = cpu;
	first = &threads[this_cpu->id][0];
	second = &threads[this_cpu->id][1];
	while (!at_end()) {
		one_operation(true);
		/*
		 * Tasks that hold a page each and want one more could wait for each
		 * other.
		 */
		if (first->nr_kmaps > 1)
			pool_unmap(first, 0);
	}
	release_all(first);
	switch_out();
	this_cpu->task = second;
	switch_in();
	release_all(second);
	this_cpu->task = &this_cpu->idle;
	__atomic_store_n(&this_cpu->is_idle, true, __ATOMIC_RELEASE);
	return NULL;
}

int main(int argc, char **argv)
{
	double limit = argc > 1 ? atof(argv[1]) : 2, began = seconds(), end;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1, ops = 0;
	pthread_t thread[SIM_CPUS];
	unsigned int rounds = 0;
	int i;

	do {
		boot(rounds % 4 == 3, rounds / 2);
		memory_is_out = rounds % 2;
		stop = false;
		for (i = 0; i < SIM_CPUS; i++) {
			init_task(&threads[i][0], 2 * i + 1, i);
			init_task(&threads[i][1], 2 * i + 2, i);
			cpus[i].task = &threads[i][0];
			cpus[i].is_idle = false;
			cpus[i].random = (seed + rounds * SIM_CPUS + i) *
					 0x9e3779b97f4a7c15UL | 1;
		}
		for (i = 0; i < SIM_CPUS; i++) {
			if (pthread_create(&thread[i], NULL, run_cpu, &cpus[i]))
				fail("no threads to be had");
		}
		/*
		 * The pool grows at the beginning of a run, if at all, so runs are short.
		 */
		usleep(min(limit / 4, 0.02) * 1e6);
		store(&stop, true);
		for (i = 0; i < SIM_CPUS; i++)
			pthread_join(thread[i], NULL);
		check_end();
		rounds++;
		end = seconds();
	} while (end - began < limit);

	for (i = 0; i < SIM_CPUS; i++)
		ops += cpus[i].ops;
	printf("threads: %lu operations, %u boots\n", ops, rounds);
	return 0;
}

#else /* coroutines */

static void run_task(void)
{
	while (!at_end())
		one_operation(true);
	release_all(self());
	self()->done = true;
	sim_schedule();
	fail("a task goes on after its end");
}

static void start_task(void)
{
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(NULL, &controller_stack,
					&controller_stack_bytes);
#endif
	run_task();
}

/* Could @task take a slot of @area, or of an older area, that has not changed since? */
static bool slot_to_be_had(const struct task *task, struct pkmap_area *area,
			   unsigned long since)
{
	struct pkmap_slot *slot;
	unsigned int nr = 0;

	for (; area; area = area->next) {
		for (slot = area->slots; slot < area->slots + area->nr; slot++)
			nr += (unsigned int)pkmap_state(slot) <= PKMAP_IDLE &&
			      slot->state.changed_at <= since;
	}
	return nr > (task->t.flags & PF_MEMALLOC ? 0 : PKMAP_RESERVE);
}

static void note_queued(struct task *task)
{
	task->queued_at = sim_now;
	task->queued_area = pkmap_areas;
}

/*
 * A task goes to sleep. kunmap() need not wake it for a slot that was free before it was
 * in the queue: the task itself had to see that slot.
 */
static void check_sleep(const struct task *task)
{
	struct pkmap_slot *slot;

	quiet = true;
	check(!slot_to_be_had(task, task->queued_area, task->queued_at),
	      "task %d goes to sleep beside a slot", task->t.pid);
	check(!page_slot(&sim_pages[task->wanted], &slot, NULL) ||
	      pkmap_state(slot) == PKMAP_UNMAPPED ||
	      slot->state.changed_at > task->queued_at,
	      "task %d goes to sleep beside its page", task->t.pid);
	quiet = false;
}

/* No task can run. This is right only if all sleep and no slot is free. */
static void all_sleep(void)
{
	unsigned int i, sleepers = 0;

	quiet = true;
	for (i = 0; i < TASKS; i++) {
		if (tasks[i].done)
			continue;
		sleepers++;
		check(!slot_to_be_had(&tasks[i], pkmap_areas, sim_now),
		      "task %d sleeps beside a slot", tasks[i].t.pid);
	}
	check(sleepers, "no task is left, but they are not done");
	check(pkmap_nr_areas == PKMAP_AREAS || pkmap_grow_after,
	      "all tasks sleep, and none has tried to add an area");
	quiet = false;
	/* The tasks wait for each other. Unmap a page, as an interrupt can. */
	for (i = 0; i < TASKS; i++) {
		if (tasks[i].nr_kmaps) {
			this_cpu = &cpus[0];
			pool_unmap(&tasks[i], 0);
			return;
		}
	}
	/* Leaked slots are lost, but memory may be free again after the time-out. */
	memory_is_out = false;
	boot_jiffies += PKMAP_GROW_RETRY;
	for (i = 0; i < TASKS; i++)
		tasks[i].t.state = TASK_RUNNING;
}

/* What must hold for the pool at any moment. */
static void check_pool(void)
{
	unsigned char shown[SIM_PAGES] = { };
	struct pkmap_slot *slot;

	quiet = true;
	count_clean();
	for (slot = pkmap_first_slot(); slot; slot = slot->all) {
		if (pkmap_state(slot) == PKMAP_UNMAPPED)
			continue;
		check(slot->page && !shown[slot->page - sim_pages]++, "a page in two slots");
		check(pte_page(sim_ptes[vpn_of((unsigned long)slot->vaddr)]) == slot->page,
		      "a slot's page and PTE differ");
	}
	quiet = false;
}

static void run_tasks(void)
{
	unsigned int turn = 0, idle = 0, i;
	struct cpu *cpu;

	for (;;) {
		cpu = &cpus[turn++ % SIM_CPUS];
		if (cpu->is_idle) {
			for (i = 0; i < TASKS; i++) {
				if (tasks[i].cpu == cpu->id && can_run(&tasks[i]))
					break;
			}
			if (i < TASKS) {
				cpu->task = &tasks[i];
				cpu->is_idle = false;
			}
		}
		if (!cpu->is_idle) {
			idle = 0;
			this_cpu = cpu;
			to_task(cpu->task);
			if (turn % 8 == 0)
				check_pool();
			continue;
		}
		if (++idle < SIM_CPUS)
			continue;
		for (i = 0; i < TASKS && tasks[i].done; i++)
			;
		if (i == TASKS)
			return;
		all_sleep();
		idle = 0;
	}
}

/* One run of the machine, by bytes or by random numbers. */
static unsigned long run(void)
{
	static char stacks[TASKS][STACK_BYTES] __attribute__((aligned(64)));
	unsigned long ops = 0;
	unsigned int i, how = chance(16);

	sim_now = 0;
	memset(changed_at, 0, sizeof(changed_at));
	memset(released_at, 0, sizeof(released_at));
	memset(busy, 0, sizeof(busy));
	memset(used_at, 0, sizeof(used_at));
	memset(stuck, 0, sizeof(stuck));
	boot(how & 1 && how & 2, chance(4));
	memory_is_out = how & 4;
	many_pages = how & 8;
	countdown = 1;
	for (i = 0; i < TASKS; i++) {
		init_task(&tasks[i], i + 1, i % SIM_CPUS);
		tasks[i].stack = stacks[i];
		getcontext(&tasks[i].context);
		tasks[i].context.uc_stack.ss_sp = stacks[i];
		tasks[i].context.uc_stack.ss_size = STACK_BYTES;
		tasks[i].context.uc_link = NULL;
		makecontext(&tasks[i].context, start_task, 0);
	}
	run_tasks();
	check_end();
	for (i = 0; i < SIM_CPUS; i++) {
		ops += cpus[i].ops;
		cpus[i].ops = 0;
	}
	return ops;
}

#ifdef FUZZER
static unsigned long fuzz_ops, fuzz_lives;

static void print_ops(void)
{
	printf("fuzz: %lu operations, %lu boots\n", fuzz_ops, fuzz_lives);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	bytes = data;
	bytes_left = size;
	by_bytes = true;
	seed = 1;
	if (!fuzz_lives++)
		atexit(print_ops);
	fuzz_ops += run();
	return 0;
}
#else
int main(int argc, char **argv)
{
	double limit = argc > 1 ? atof(argv[1]) : 2, began = seconds(), end;
	unsigned long first = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	unsigned long ops = 0, lives = 0;

	do {
		seed = (first + lives) * 0x9e3779b97f4a7c15UL | 1;
		seed_name = first + lives;
		bytes_left = 4000;
		ops += run();
		lives++;
		end = seconds();
	} while (end - began < limit);
	printf("tasks: %lu operations, %lu boots\n", ops, lives);
	return 0;
}
#endif
#endif
