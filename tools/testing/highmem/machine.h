/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The machine that the code under test runs on: page table, CPUs with TLBs, interrupts,
 * tasks and locks. There are two builds:
 *
 *   without THREADS	One thread. Tasks are coroutines. At any sim_point() another CPU
 *			may run, an interrupt may come, or the task may be scheduled out
 *			and continue on another CPU. A string of bytes or of random
 *			numbers makes the choices, so a run can be repeated.
 *   with THREADS	Each CPU is a thread, so the order of events is that of the host's
 *			CPUs. A CPU has two tasks. The second runs on top of the first.
 *
 * Simulated: a TLB for each CPU, which loads a valid PTE at any moment and keeps it until
 * a flush; PTEs of two halves; IPIs, which wait until interrupts are on; hard and soft
 * interrupts; preemption and migration, with the scheduler's part of kmap_local; locks;
 * sleep and wake-ups.
 *
 * Not simulated: memory with a weaker order than the host's, except for what
 * ThreadSanitizer reports about missing pairs; caches that alias; NMIs, CPU hotplug,
 * paravirt, PREEMPT_RT; 32-bit addresses that wrap; 256 fills of a slot in between (the
 * model checks those). Time-outs never end: a task that sleeps while it could have a slot
 * is an error.
 */
#ifndef HIGHMEM_MACHINE_H
#define HIGHMEM_MACHINE_H

#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#ifndef THREADS
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN	1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define load(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define store(p, v)	__atomic_store_n(p, v, __ATOMIC_RELAXED)

/* What a task holds, and what the test records about it. */
#define FEW_KMAPS	3
#define MAX_KMAPS	12
#define MAX_LOCALS	26

struct mapping {
	unsigned char page;
	unsigned char nr;	/* pages; more than 1 is a run */
	bool other_prot;
	unsigned long addr;
};

struct task {
	struct task_struct t;	/* first */
	struct mapping kmaps[MAX_KMAPS];
	struct mapping locals[MAX_LOCALS];
	unsigned int nr_kmaps, nr_locals;
	unsigned int away;	/* so many of locals must not be used now */
	unsigned int in_local_op;
	bool may_stay_pinned;	/* it unmapped with interrupts off */
	const char *expected;	/* part of a warning that may come now */
	unsigned int warned;
	unsigned int switches;	/* and interrupts */
	unsigned int nested;	/* interrupts */
	unsigned int wanted;	/* the page that it calls kmap() for */
	bool mistaken;		/* it calls kmap() with interrupts off */
	bool rq_locked;		/* it is in __schedule() */
	bool one_cpu;		/* scheduled out since migrate_disable() */
	unsigned long queued_at;
	unsigned long grown_at;	/* when it last allocated page tables for an area */
	struct pkmap_area *queued_area;	/* the latest area then */
	int cpu;
	bool done;
#ifndef THREADS
	ucontext_t context;
	char *stack;
	void *fake_stack;
#endif
};

struct tlb_entry {
	u64 pte;
	u32 generation;
};

struct cpu {
	int id;
	struct task *task;
	struct task idle;
	bool ipi;		/* another CPU waits for sim_ipi */
	bool is_idle;
	struct tlb_entry tlb[SIM_PTES];
	u32 generation[SIM_PTES]; /* entries of another generation are flushed */
	u64 random;
	unsigned int countdown;
	unsigned long ops;
};

static struct cpu cpus[SIM_CPUS];
static __thread struct cpu *this_cpu;
static bool quiet;		/* the test itself reads memory: no events */

struct page sim_pages[SIM_PAGES];
pte_t sim_ptes[SIM_PTES];
int init_mm;
char sim_percpu[SIM_CPUS][SIM_PERCPU_BYTES];

/*
 * For ThreadSanitizer: plain memory that goes with each PTE, written when it
 * changes and read by each user of the mapping. ThreadSanitizer reports the pair if
 * neither is ordered before the other.
 */
static u64 behind[SIM_PTES];

unsigned long sim_now;	/* steps; with THREADS there is no time */

/* Jiffies at boot. Without THREADS 16 steps make one jiffy: a run takes many. */
static u64 boot_jiffies;

u64 sim_jiffies(void)
{
#ifdef THREADS
	static unsigned long looks;

	return boot_jiffies + __atomic_add_fetch(&looks, 1, __ATOMIC_RELAXED);
#else
	return boot_jiffies + sim_now / 16;
#endif
}

static struct task *self(void)
{
	return this_cpu->task;
}

static unsigned int vpn_of(unsigned long addr)
{
	return (addr - SIM_BASE) >> PAGE_SHIFT;
}

/* The seed that repeats the run; 0 for a run by bytes. */
static unsigned long seed_name;

static void __printf(1, 2) __noreturn fail(const char *format, ...);
static void fail(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "\nFAILED: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (CPU %d, task %d, step %lu, SEED %lu)\n",
		this_cpu ? this_cpu->id : -1,
		this_cpu && this_cpu->task ? this_cpu->task->t.pid : 0, sim_now, seed_name);
	abort();
}

#define check(cond, ...)						\
do {									\
	if (unlikely(!(cond)))						\
		fail(__VA_ARGS__);					\
} while (0)

bool sim_warn(const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* After pool_leak() each kmap() of that page warns. */
	if (strstr(text, "too often without kunmap()"))
		return true;
	check(self()->expected && strstr(text, self()->expected),
	      "unexpected warning: %s", text);
	self()->warned++;
	return true;
}

struct task_struct *sim_current(void) { return &self()->t; }
int sim_this_cpu(void) { return this_cpu->id; }

#ifdef THREADS
static void note_change(unsigned int vpn) { }
static void note_release(unsigned long addr) { }
#else
static unsigned long changed_at[SIM_PTES];	/* when a PTE last changed */
static unsigned long released_at[SIM_PTES];	/* or last lost a holder */
static void note_change(unsigned int vpn) { changed_at[vpn] = sim_now; }
static void note_release(unsigned long addr) { released_at[vpn_of(addr)] = sim_now; }
#endif

/* Chance ----------------------------------------------------------------------- */

static u64 random_of(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1dULL >> 32;
}

#ifdef THREADS
static bool stop;
static bool at_end(void) { return load(&stop); }
static unsigned int chance(unsigned int n) { return random_of(&this_cpu->random) % n; }
#else
static const u8 *bytes;		/* the choices that are left */
static size_t bytes_left;
static bool by_bytes;		/* else so many random numbers */
static u64 seed = 1;
static bool at_end(void) { return !bytes_left; }

/*
 * One of @n. Without bytes left it is 0, which stands for the least event. That order of
 * events is not fair: a task may wait for another that never runs. So random numbers are
 * used again after FAIR_STEPS, long before the run counts as endless.
 */
#define FAIR_STEPS	200000

static unsigned int chance(unsigned int n)
{
	if (!bytes_left)
		return sim_now > FAIR_STEPS ? random_of(&seed) % n : 0;
	bytes_left--;
	return (by_bytes ? *bytes++ : random_of(&seed)) % n;
}
#endif

static unsigned int new_countdown(void)
{
	static const unsigned char steps[] = {
		1, 1, 2, 3, 4, 5, 7, 9, 12, 16, 22, 30, 45, 70, 120, 250
	};

	return steps[chance(16)];
}

/* Page table and TLBs ---------------------------------------------------------- */

static void tlb_flush(struct cpu *cpu, unsigned int vpn)
{
	__atomic_fetch_add(&cpu->generation[vpn], 1, __ATOMIC_RELAXED);
}

/* The PTE that this CPU uses for @vpn: that of its TLB, or else of the page table. */
static u64 translate(unsigned int vpn)
{
	struct tlb_entry *entry = &this_cpu->tlb[vpn];
	u32 generation = load(&this_cpu->generation[vpn]);

	/* A page walk that began before a flush leaves no entry. */
	if (entry->generation != generation || !(entry->pte & _PAGE_PRESENT)) {
		entry->generation = generation;
		entry->pte = load(&sim_ptes[vpn].pte);
	}
	return entry->pte;
}

static bool tlb_knows(struct cpu *cpu, unsigned int vpn)
{
	return cpu->tlb[vpn].generation == load(&cpu->generation[vpn]) &&
	       cpu->tlb[vpn].pte & _PAGE_PRESENT;
}

/* The current context uses a mapping that it holds. */
static void use(unsigned long addr, const struct page *page)
{
	unsigned int vpn = vpn_of(addr);
	pte_t pte;

	check(vpn < SIM_PTES, "address %#lx is in no window", addr);
	pte.pte = translate(vpn);
	check(pte_val(pte) & _PAGE_PRESENT, "page fault at %#lx, page %ld", addr,
	      (long)(page - sim_pages));
	check(pte_page(pte) == page, "%#lx shows page frame %#llx, not page %ld",
	      addr, (unsigned long long)pte_pfn(pte), (long)(page - sim_pages));
	check(behind[vpn] == pte_val(pte), "%#lx: PTE and memory differ", addr);
}

static void pte_changes(pte_t *ptep, pte_t pte)
{
	unsigned int vpn = ptep - sim_ptes;

	check(vpn < SIM_PTES, "PTE outside of the page table");
	check(!pte_val(pte) || pte_page(pte),
	      "PTE for frame %#llx, which no task maps",
	      (unsigned long long)pte_pfn(pte));
	behind[vpn] = pte_val(pte);
	note_change(vpn);
}

void set_pte_at(void *mm, unsigned long addr, pte_t *ptep, pte_t pte)
{
	sim_point();
	check(ptep == virt_to_kpte(addr), "PTE and address differ");
	check(!load(&ptep->pte), "%s() on a valid PTE at %#lx", __func__, addr);
	pte_changes(ptep, pte);
	native_set_pte(ptep, pte);
	/* A CPU may load a PTE at once, speculatively. */
	if (chance(4))
		translate(vpn_of(addr));
}

void set_pte_atomic(pte_t *ptep, pte_t pte)
{
	sim_point();
	pte_changes(ptep, pte);
	__atomic_store_n(&ptep->pte, pte.pte, __ATOMIC_SEQ_CST);
	sim_point();
	/* As in set_pte_at(). */
	if (chance(4))
		translate(ptep - sim_ptes);
}

void pte_clear(void *mm, unsigned long addr, pte_t *ptep)
{
	sim_point();
	check(ptep == virt_to_kpte(addr), "PTE and address differ");
	pte_changes(ptep, __pte(0));
	native_pte_clear(mm, addr, ptep);
}

static void tracer(void);

void __flush_tlb_all(void)
{
	unsigned int vpn;

	sim_point();
	for (vpn = 0; vpn < SIM_PTES; vpn++)
		tlb_flush(this_cpu, vpn);
	sim_point();
}

void flush_tlb_one_kernel(unsigned long addr)
{
	sim_point();
#ifndef THREADS
	/* A tracer of this function, which flush_this_cpu() calls with interrupts off. */
	if (!quiet && irqs_disabled() && !self()->nested && !self()->rq_locked &&
	    !chance(8))
		tracer();
#endif
	tlb_flush(this_cpu, vpn_of(addr));
}

/* All CPUs take part, so interrupts must be on. */
void flush_cache_vmap(unsigned long start, unsigned long end)
{
	check(!irqs_disabled() && !preempt_count(),
	      "a cache is flushed with a lock held or interrupts off");
	sim_point();
}

void flush_tlb_kernel_range(unsigned long start, unsigned long end)
{
	unsigned int vpn;
	int cpu;

	check(!irqs_disabled() && !preempt_count(),
	      "TLBs are flushed with a lock held or interrupts off");
	for (cpu = 0; cpu < SIM_CPUS; cpu++) {
		sim_point();
		for (vpn = vpn_of(start); vpn < vpn_of(end); vpn++)
			tlb_flush(&cpus[cpu], vpn);
	}
	sim_point();
}

/* vmalloc space is never freed. An unmapped page is behind each area. */
static unsigned long vmalloc_next;
static bool memory_is_out;

struct vm_struct *get_vm_area(unsigned long size, unsigned long flags)
{
	static struct vm_struct all[SIM_PTES];
	struct vm_struct *area = &all[(vmalloc_next - SIM_BASE) / PAGE_SIZE];

	if (vmalloc_next + size + PAGE_SIZE > __fix_to_virt(FIX_KMAP_END))
		return NULL;
	area->addr = (void *)vmalloc_next;
	vmalloc_next += size + PAGE_SIZE;
	return area;
}

void free_vm_area(struct vm_struct *area) { }

/* Sometimes there is no memory for page tables. */
static bool out_of_memory(void)
{
	return memory_is_out || (this_cpu->task->t.pid && chance(4));
}

int apply_to_page_range(void *mm, unsigned long addr, unsigned long size,
			int (*fn)(pte_t *, unsigned long, void *), void *data)
{
	unsigned long end = addr + size;

	if (out_of_memory())
		return -ENOMEM;
	for (; fn && addr < end; addr += PAGE_SIZE)
		fn(virt_to_kpte(addr), addr, data);
	self()->grown_at = sim_now;
	return 0;
}

#define ALLOCATIONS 16
static void *allocated[ALLOCATIONS];

void *sim_alloc(size_t n, size_t size)
{
	unsigned int i;

	sim_point();
	if (out_of_memory())
		return NULL;
	for (i = 0; i < ALLOCATIONS && allocated[i]; i++)
		;
	check(i < ALLOCATIONS, "too many allocations");
	allocated[i] = calloc(n, size);
	return allocated[i];
}

void kvfree(const void *p)
{
	unsigned int i;

	for (i = 0; p && i < ALLOCATIONS; i++) {
		if (allocated[i] == p)
			allocated[i] = NULL;
	}
	free((void *)p);
}

/* IPIs --------------------------------------------------------------------------- */

static void (*sim_ipi)(void *);
static void *sim_ipi_arg;

static void run_ipi(struct cpu *cpu)
{
	struct cpu *old = this_cpu;
	struct task_struct *t;

	this_cpu = cpu;
	t = current;
	t->irqs_off = true;
	t->hardirq++;
	sim_ipi(sim_ipi_arg);
	t->hardirq--;
	t->irqs_off = false;
	__atomic_store_n(&cpu->ipi, false, __ATOMIC_RELEASE);
	this_cpu = old;
}

static void poll_ipi(void)
{
	if (unlikely(__atomic_load_n(&this_cpu->ipi, __ATOMIC_ACQUIRE)) &&
	    !self()->t.irqs_off)
		run_ipi(this_cpu);
}

static void yield_cpu(void);
static void sim_schedule(void);
static void interrupt(bool hard);
#ifdef THREADS
static void run_second_task(void);
#endif

void on_each_cpu_cond(bool (*cond)(int, void *), void (*func)(void *), void *arg,
		      bool wait)
{
	static int lock;	/* one at a time */
	int cpu;

	check(!irqs_disabled() && !in_hardirq(), "IPI with interrupts off");
	current->preempt++;
	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		yield_cpu();
	sim_ipi = func;
	sim_ipi_arg = arg;
	for (cpu = 0; cpu < SIM_CPUS; cpu++)
		__atomic_store_n(&cpus[cpu].ipi, cond(cpu, arg), __ATOMIC_RELEASE);
	for (cpu = 0; cpu < SIM_CPUS; cpu++) {
		while (__atomic_load_n(&cpus[cpu].ipi, __ATOMIC_ACQUIRE)) {
			if (&cpus[cpu] == this_cpu ||
			    __atomic_load_n(&cpus[cpu].is_idle, __ATOMIC_ACQUIRE))
				run_ipi(&cpus[cpu]);
			else
				yield_cpu();
		}
	}
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
	current->preempt--;
}

/* Locks --------------------------------------------------------------------------- */

/* An interrupt may take any of these locks. */
void spin_lock(spinlock_t *lock)
{
	check(irqs_disabled(), "a lock is taken with interrupts on");
	preempt_disable();
	while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE))
		yield_cpu();
	sim_point();
}

void spin_unlock(spinlock_t *lock)
{
	sim_point();
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
	preempt_enable();
}

/*
 * No slot is free: kmap() with interrupts off could hang from here on, so the test turns
 * them on.
 */
static void end_mistake(void)
{
	if (self()->mistaken) {
		self()->mistaken = false;
		current->irqs_off = false;
	}
}

void mutex_lock(struct mutex *lock)
{
	end_mistake();
	might_sleep();
	sim_point();
	while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE))
		sim_schedule();
	sim_point();
}

bool mutex_trylock(struct mutex *lock)
{
	might_sleep();
	sim_point();
	return !__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE);
}

void mutex_unlock(struct mutex *lock)
{
	sim_point();
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
	sim_point();
}

#ifdef UNHOOKED
/* TREE=unhooked: the code under test calls migrate_disable() itself. */
static void kmap_local_pin(struct task_struct *t) { }
#endif

/* One step each for __schedule(), as in kernel/sched/core.c. */
void migrate_disable(void)
{
	unsigned short count;

	preempt_disable();
	count = current->migration_disabled;
	sim_point();
	current->migration_disabled = count + 1;
	preempt_enable();
}

/*
 * The outermost call takes the run queue lock, so must not be made with that lock held.
 * It takes the lock only if the task was scheduled out since migrate_disable(), but the
 * hooks in the scheduler do not rely on this.
 */
void migrate_enable(void)
{
	unsigned short count;

	preempt_disable();
	count = current->migration_disabled;
	check(count, "%s() without disable", __func__);
	check(count > 1 || !self()->rq_locked ||
	      (IS_ENABLED(UNHOOKED) && !self()->one_cpu),
	      "%s() below the lock of the run queue", __func__);
	sim_point();
	if (count == 1)
		self()->one_cpu = false;
	current->migration_disabled = count - 1;
	preempt_enable();
}

/* As in the kernel there is no barrier: the caller has to order its accesses. */
bool waitqueue_active(wait_queue_head_t *queue)
{
	sim_point();
	return load(&queue->nr);
}

static void queue_remove(wait_queue_head_t *queue, int i)
{
	store(&queue->nr, queue->nr - 1);
	for (; i < queue->nr; i++) {
		queue->sleeper[i] = queue->sleeper[i + 1];
		queue->exclusive[i] = queue->exclusive[i + 1];
	}
}

/* With interrupts off, as interrupts wake tasks, too. */
static void queue_lock(wait_queue_head_t *queue)
{
	/* Only in hard interrupts are interrupts off before this. */
	current->irqs_off = true;
	spin_lock(&queue->lock);
}

static void queue_unlock(wait_queue_head_t *queue)
{
	spin_unlock(&queue->lock);
	current->irqs_off = in_hardirq();
}

/*
 * Wakes all waiters that are not exclusive, and one exclusive waiter. With @all, wakes all
 * exclusive waiters, too.
 */
void sim_wake(wait_queue_head_t *queue, bool all)
{
	bool one = false;
	int i = 0;

	queue_lock(queue);
	while (i < queue->nr) {
		if (queue->exclusive[i] && one && !all) {
			i++;
			continue;
		}
		one |= queue->exclusive[i];
		__atomic_store_n(&queue->sleeper[i]->state, TASK_RUNNING,
				 __ATOMIC_RELEASE);
		queue_remove(queue, i);
	}
	queue_unlock(queue);
}

static void note_queued(struct task *task);

void sim_prepare_to_wait(wait_queue_head_t *queue, int state, bool exclusive)
{
	self()->queued_at = ULONG_MAX;	/* not yet, see note_queued() */
	queue_lock(queue);
	check(queue->nr < SIM_SLEEPERS, "too many sleepers");
	store(&current->state, state);
	queue->sleeper[queue->nr] = current;
	queue->exclusive[queue->nr] = exclusive;
	store(&queue->nr, queue->nr + 1);
	queue_unlock(queue);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	note_queued(self());
}

void finish_wait(wait_queue_head_t *queue, int *wait)
{
	int i;

	store(&current->state, TASK_RUNNING);
	sim_point();
	queue_lock(queue);
	for (i = 0; i < queue->nr; i++) {
		if (queue->sleeper[i] == current)
			queue_remove(queue, i--);
	}
	queue_unlock(queue);
}

/* Scheduling --------------------------------------------------------------------- */

static unsigned long slot_address(int n)
{
	return __fix_to_virt(this_cpu->id * KM_MAX_IDX + n);
}

/* __schedule() for the previous task ... */
static void switch_out(void)
{
	struct task *prev = self();
	struct task_struct *t = &prev->t;
	int n;

	check(!preempt_count() && !t->irqs_off, "scheduling in atomic context");
	t->irqs_off = true;
	t->preempt++;
	tracer();
	kmap_local_pin(t);
	prev->rq_locked = true;
	tracer();
	prev->one_cpu |= !!t->migration_disabled;
	if (t->kmap_ctrl.idx)
		__kmap_local_sched_out();
	/* The task's own mappings may be gone until it is scheduled in. */
	prev->away = prev->nr_locals;
	tracer();
	prev->away = 0;
	prev->rq_locked = false;
	t->preempt--;
	check((!t->kmap_ctrl.idx && !prev->nr_locals) || t->migration_disabled,
	      "a task with something mapped is not pinned");
	/* While it unmaps, the slots that it has dropped may be above its depth. */
	for (n = 0; n < KM_MAX_IDX; n++) {
		if (prev->in_local_op || n < t->kmap_ctrl.idx)
			note_release(slot_address(n));
	}
	t->irqs_off = false;
	prev->switches++;
}

static void use_locals(struct task *task);

/* ... and finish_task_switch() for the next task. */
static void switch_in(void)
{
	if (!current->kmap_ctrl.idx)
		return;
	current->preempt++;
	/* In an interrupt the task's mappings may not be there yet. */
	self()->away = self()->nr_locals;
	__kmap_local_sched_in();
	self()->away = 0;
	current->preempt--;
	use_locals(self());
}

/* A TLB may load any PTE. */
static void speculate(void)
{
	translate(chance(SIM_PTES / 2) * 2 + chance(2));
}

static void event(void)
{
	struct task_struct *t = &self()->t;
	bool in_task = !t->hardirq && !t->softirq;

	switch (chance(8)) {
	case 0:
		if (in_task && !t->preempt && !t->irqs_off) {
#ifdef THREADS
			run_second_task();
#else
			sim_schedule();
#endif
		}
		break;
	case 1:
		if (self()->nested < 2 && !t->irqs_off && !t->hardirq)
			interrupt(true);
		break;
	case 2:
		if (self()->nested < 1 && !t->irqs_off && in_task)
			interrupt(false);
		break;
	case 3:
		/*
		 * The end of an interrupt: it wakes a task, and in_hardirq() is false
		 * already.
		 */
		if (self()->nested < 1 && !t->irqs_off && in_task) {
			t->irqs_off = true;
			t->preempt++;
			self()->rq_locked = true;
			tracer();
			self()->rq_locked = false;
			t->preempt--;
			t->irqs_off = false;
		}
		break;
	case 4:
		speculate();
		break;
	default:
		yield_cpu();
	}
}

void highmem_race_window(void)
{
	sim_point();
}

#ifdef THREADS

void sim_point(void)
{
	if (quiet)
		return;
	poll_ipi();
	if (--this_cpu->countdown)
		return;
	/* Most events delay other CPUs. The host may have few. */
	this_cpu->countdown = new_countdown() * 8;
	event();
}

static void yield_cpu(void)
{
	poll_ipi();
	sched_yield();
}

/* A task that waits for a mutex calls this: the holder is on another CPU. */
static void sim_schedule(void)
{
	yield_cpu();
}

#define WAKE_UP_SECONDS		20

long schedule_timeout(long timeout)
{
	time_t end = time(NULL) + WAKE_UP_SECONDS;

	while (__atomic_load_n(&current->state, __ATOMIC_ACQUIRE) != TASK_RUNNING) {
		yield_cpu();
		check(time(NULL) <= end, "no task wakes one that sleeps");
	}
	return timeout;
}

#else /* coroutines */

#define TASKS		6
#define STACK_BYTES	(256 * 1024)
#define MAX_STEPS	2000000

static struct task tasks[TASKS];
static ucontext_t controller;
#ifdef WITH_ASAN
static void *controller_fake_stack;
static const void *controller_stack;
static size_t controller_stack_bytes;
#endif
static unsigned int countdown;

static void to_controller(struct task *task, bool forever)
{
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(forever ? NULL : &task->fake_stack,
				       controller_stack, controller_stack_bytes);
#endif
	swapcontext(&task->context, &controller);
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(task->fake_stack, NULL, NULL);
#endif
}

static void to_task(struct task *task)
{
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(&controller_fake_stack, task->stack,
				       STACK_BYTES);
#endif
	swapcontext(&controller, &task->context);
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(controller_fake_stack, NULL, NULL);
#endif
}

/* Another CPU may run here. */
static void yield_cpu(void)
{
	if (quiet || self() == &this_cpu->idle)
		return;
	sim_now++;
	check(sim_now < MAX_STEPS, "no end: tasks wait for each other");
	to_controller(self(), false);
	poll_ipi();
}

void sim_point(void)
{
	if (quiet)
		return;
	sim_now++;
	if (self() == &this_cpu->idle)
		return;
	poll_ipi();
	if (countdown && !--countdown) {
		/* First this: a task that the event brings needs some events, too. */
		countdown = at_end() ? 0 : new_countdown();
		event();
	} else if (sim_now % 512 == 0) {
		/* A CPU that spins waits for another CPU. */
		yield_cpu();
	}
}

static bool can_run(const struct task *task)
{
	return !task->done && task->t.state == TASK_RUNNING;
}

/* Another task for this CPU, if there is one. */
static struct task *next_task(void)
{
	/* In turn, when no choices are left. */
	unsigned int i, first = at_end() ? self()->t.pid : chance(TASKS);

	for (i = 0; i < TASKS; i++) {
		struct task *task = &tasks[(first + i) % TASKS];

		if (task != self() && task->cpu == this_cpu->id && can_run(task))
			return task;
	}
	return NULL;
}

/* Gives the CPU to another task, or to no task if this one cannot run. */
static void sim_schedule(void)
{
	struct task *prev = self(), *next = next_task();

	if (!next && can_run(prev)) {
		yield_cpu();
		return;
	}
	switch_out();
	if (!prev->t.migration_disabled &&
	    (IS_ENABLED(UNHOOKED) || !prev->t.kmap_ctrl.idx) && !chance(3))
		prev->cpu = chance(SIM_CPUS);
	this_cpu->task = next ? next : &this_cpu->idle;
	this_cpu->is_idle = !next;
	to_controller(prev, false);
	switch_in();
}

static void check_sleep(const struct task *task);

/* No time passes. */
long schedule_timeout(long timeout)
{
	if (current->state != TASK_RUNNING)
		check_sleep(self());
	while (current->state != TASK_RUNNING)
		sim_schedule();
	return timeout;
}

#endif

#endif /* HIGHMEM_MACHINE_H */
