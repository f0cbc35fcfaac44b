/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mm/pkmap.c and mm/kmap_local.c need of the kernel, in user space.
 *
 * This file replaces every <linux/...> and <asm/...> header that they include, except
 * those under test and those that the Makefile takes from the kernel. Its names lead to
 * the machine of machine.h: CPUs with TLBs, tasks, interrupts. Nearly each access of one
 * CPU that another CPU can see calls sim_point(), where an event may happen.
 *
 * The machine is an i386 with PAE: PTEs have two halves of 32 bits.
 */
#ifndef HIGHMEM_SHIM_H
#define HIGHMEM_SHIM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Configuration and compiler ------------------------------------------------ */

#define __KERNEL__		1
#define CONFIG_HIGHMEM		1
#define CONFIG_KMAP_LOCAL	1
#define CONFIG_SMP		1
#define CONFIG_X86_32		1
#define CONFIG_X86_PAE		1
#define CONFIG_PARAVIRT		1	/* the INVLPG function is in machine.h */
#define CONFIG_DEBUG_HIGHMEM_RACES 1
#define HASHED_PAGE_VIRTUAL	1
#define ARCH_NEEDS_KMAP_HIGH_GET 1
#define BITS_PER_LONG		64
#define BITS_PER_BYTE		8
#include <linux/kconfig.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
typedef int64_t loff_t;
typedef u64 pteval_t;
typedef u32 __u32;
typedef unsigned int gfp_t;

/* The C library has these, too. */
#undef __always_inline
#undef __attribute_const__
#include <linux/compiler_attributes.h>

#define VISIBLE_IF_KUNIT	static
#define __init
#define __ro_after_init
#define __read_mostly
#define __rcu
#define __force
#define __cacheline_aligned_in_smp
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define static_assert		_Static_assert
#define BUILD_BUG_ON_MSG(cond, msg)	_Static_assert(!(cond), msg)
#define BIT(n)			(1UL << (n))
#define GENMASK(h, l)		((BIT(h) << 1) - BIT(l))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define sizeof_field(type, m)	sizeof(((type *)0)->m)
#define container_of(p, type, m) ((type *)((char *)(p) - offsetof(type, m)))
#define IS_ERR_VALUE(x)		((unsigned long)(x) >= -4095UL)
#define ALIGN(x, a)		(((x) + (a) - 1) / (a) * (a))
#define round_down(x, a)	((x) / (a) * (a))
#define PTR_ALIGN_DOWN(p, a)	((typeof(p))((unsigned long)(p) & ~((a) - 1)))
#define min(a, b)							\
({									\
	typeof(a) __a = (a);						\
	typeof(b) __b = (b);						\
	__a < __b ? __a : __b;						\
})
#define max(a, b)							\
({									\
	typeof(a) __a = (a);						\
	typeof(b) __b = (b);						\
	__a > __b ? __a : __b;						\
})
#define min_t(type, a, b)	min((type)(a), (type)(b))
#define const_ilog2(n)		(31 - __builtin_clz(n))
#define EXPORT_SYMBOL(x)	struct shim_##x
#define EXPORT_SYMBOL_GPL(x)	struct shim_##x
#define core_param(name, var, type, perm)	struct shim_##name { type *p; }
#define early_initcall(f)	int (*const shim_call_##f)(void) = f
#define ENOMEM			12
#define EAGAIN			11
#define EINVAL			22
#define LIST_POISON2		((void *)0x122)

/* Ordering and atomics -------------------------------------------------------- */

void sim_point(void);

#define barrier()							\
do {									\
	__atomic_signal_fence(__ATOMIC_SEQ_CST);			\
	sim_point();							\
} while (0)
#define cpu_relax()		sim_point()
#define OPTIMIZER_HIDE_VAR(v)	__asm__("" : "+r" (v))
/* x86 keeps stores in order, so this stops only the compiler. */
#define smp_wmb()		__atomic_signal_fence(__ATOMIC_SEQ_CST)

#define sim_load(p, order)						\
({									\
	__typeof__(__atomic_load_n(p, __ATOMIC_RELAXED)) __v;		\
	sim_point();							\
	__v = __atomic_load_n(p, order);				\
	__v;								\
})
#define sim_store(p, v, order)						\
({									\
	__typeof__(*(p)) __v = (v);					\
	sim_point();							\
	__atomic_store_n(p, __v, order);				\
})

#define READ_ONCE(x)		sim_load(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	sim_store(&(x), v, __ATOMIC_RELAXED)
/* Each use in the code under test names its partner. */
#define smp_load_acquire(p)	sim_load(p, __ATOMIC_ACQUIRE)
/* Likewise. */
#define smp_store_release(p, v)	sim_store(p, v, __ATOMIC_RELEASE)
/*
 * A release, by hlist_nulls_add_head_rcu(). It pairs with rcu_dereference_raw() in
 * page_slot(): a walk that reaches a slot sees the slot's page and its next slot, not
 * those of an earlier chain.
 */
#define rcu_assign_pointer(p, v) sim_store(&(p), v, __ATOMIC_RELEASE)
/* An acquire, which is stronger than the kernel's address dependency. */
#define rcu_dereference_raw(x)	sim_load(&(x), __ATOMIC_ACQUIRE)

/* Without THREADS the time of the last change is recorded. */
typedef struct {
	int counter;
#ifndef THREADS
	unsigned long changed_at;
#endif
} atomic_t;
#ifdef THREADS
#define sim_note_change(v)	((void)(v))
#else
extern unsigned long sim_now;
#define sim_note_change(v)	((v)->changed_at = sim_now)
#endif
#define atomic_read(v)		sim_load(&(v)->counter, __ATOMIC_RELAXED)
#define atomic_read_acquire(v)	sim_load(&(v)->counter, __ATOMIC_ACQUIRE)
#define atomic_set(v, i)						\
	(sim_store(&(v)->counter, i, __ATOMIC_RELAXED), sim_note_change(v))
#define atomic_set_release(v, i)					\
	(sim_store(&(v)->counter, i, __ATOMIC_RELEASE), sim_note_change(v))

static inline bool atomic_try_cmpxchg(atomic_t *v, int *old, int new)
{
	sim_point();
	if (!__atomic_compare_exchange_n(&v->counter, old, new, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	sim_note_change(v);
	return true;
}

static inline bool atomic_try_cmpxchg_relaxed(atomic_t *v, int *old, int new)
{
	sim_point();
	if (!__atomic_compare_exchange_n(&v->counter, old, new, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	sim_note_change(v);
	return true;
}

#define sim_cmpxchg(p, o, n, order)					\
({									\
	__typeof__(*(p)) __o = (o);					\
	sim_point();							\
	__atomic_compare_exchange_n(p, &__o, n, false, order,		\
				    __ATOMIC_RELAXED);			\
	__o;								\
})
#define cmpxchg_acquire(p, o, n)	sim_cmpxchg(p, o, n, __ATOMIC_ACQUIRE)
#define cmpxchg_relaxed(p, o, n)	sim_cmpxchg(p, o, n, __ATOMIC_RELAXED)

/* Static keys are plain flags, and trace points do nothing. */
#define DEFINE_STATIC_KEY_FALSE(name)	bool name
#define DECLARE_STATIC_KEY_FALSE(name)	extern bool name
#define static_branch_unlikely(key)	__atomic_load_n(key, __ATOMIC_RELAXED)
#define static_branch_enable(key)	__atomic_store_n(key, true, __ATOMIC_RELAXED)
static inline void shim_trace(const char *what, ...) { }
#define trace_pkmap_fill(...)		shim_trace("", __VA_ARGS__)
#define trace_pkmap_reclaim(...)	shim_trace("", __VA_ARGS__)
#define trace_kmap_local_overflow(...)	shim_trace("", __VA_ARGS__)

/* Warnings come each time, not once, since the test checks each of them. */
bool __printf(1, 2) sim_warn(const char *format, ...);
#define WARN_ONCE(cond, ...)						\
({									\
	bool __c = !!(cond);						\
	if (unlikely(__c))						\
		sim_warn(__VA_ARGS__);					\
	__c;								\
})
#define DO_ONCE_LITE(f, ...)	f(__VA_ARGS__)
#define _RET_IP_		((unsigned long)__builtin_return_address(0))
#define WARN_ON_ONCE(cond)	WARN_ONCE(cond, "%s", #cond)
#define DEBUG_LOCKS_WARN_ON(cond) WARN_ON_ONCE(cond)
#define pr_warn(...)		shim_trace("", __VA_ARGS__)
#define panic(...)		sim_warn(__VA_ARGS__)
#define lockdep_assert_held(l)	sim_assert_held(l)

/* Pages and address space ------------------------------------------------------ */

#define PAGE_SHIFT		12
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)
#define PFN_UP(x)		(((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PAGE_OFFSET		0xc0000000UL
#define high_memory		((void *)0xf0000000UL)
#define virt_addr_valid(a)	((void *)(a) < high_memory)
#define is_vmalloc_addr(a)	((unsigned long)(a) >= SIM_VMALLOC)
#define VMALLOC_TOTAL		(4096 * PAGE_SIZE)

struct page { unsigned int nr; };
struct folio { struct page page; };
struct zone;
struct vm_area_struct;

/*
 * Frames above 4 GB. The low halves of PTEs are the same in each block, so a PTE that is
 * half old and half new maps a wrong page. With SIM_FIRST_BLOCK 0, which also turns NX
 * off, the first block has PTEs whose high half is 0.
 */
#ifndef SIM_FIRST_BLOCK
#define SIM_FIRST_BLOCK		1
#endif
#define SIM_PAGES		64
#define SIM_BLOCK		16
extern struct page sim_pages[SIM_PAGES];

static inline unsigned long page_to_pfn(const struct page *page)
{
	unsigned int nr = page - sim_pages;

	return (nr / SIM_BLOCK + SIM_FIRST_BLOCK + 0UL) << 20 | (0x100 + nr % SIM_BLOCK);
}

static inline struct page *pfn_to_page(unsigned long pfn)
{
	unsigned long block = (pfn >> 20) - SIM_FIRST_BLOCK;
	unsigned long nr = (pfn & 0xfffff) - 0x100;

	if (block >= SIM_PAGES / SIM_BLOCK || nr >= SIM_BLOCK)
		return NULL;
	return &sim_pages[block * SIM_BLOCK + nr];
}

static inline bool PageHighMem(const struct page *page) { return true; }
#define ZONE_HIGHMEM		1
#define page_zonenum(page)	((void)(page), ZONE_HIGHMEM)
#define nth_page(page, n)	((page) + (n))
#define folio_page(folio, n)	(&(folio)->page + (n))

/* The simulated address space: addresses are only numbers. */
#define SIM_BASE		0xf8000000UL
#define SIM_PTES		1024
#ifndef SIM_PKMAP
#define SIM_PKMAP		8
#endif
#define SIM_CPUS		4
#define LAST_PKMAP		SIM_PKMAP
#define PKMAP_BASE		(SIM_BASE + PAGE_SIZE)
#define SIM_VMALLOC		(PKMAP_BASE + (LAST_PKMAP + 1) * PAGE_SIZE)
#ifndef KM_MAX_IDX		/* 17 on some ARM kernels */
#define KM_MAX_IDX		33
#endif
#define FIX_KMAP_BEGIN		0
#define FIX_KMAP_END		(SIM_CPUS * KM_MAX_IDX - 1)
#define __fix_to_virt(idx)						\
	(SIM_BASE + (SIM_PTES - 1 - (unsigned long)(idx)) * PAGE_SIZE)
/* Growth of the pool. 4 MB would never be used up. */
#define SZ_4M			(4 * PAGE_SIZE)

typedef union {
	struct { u32 pte_low, pte_high; };
	pteval_t pte;
} pte_t;
typedef struct { pteval_t pgprot; } pgprot_t;

#define _PAGE_PRESENT		1UL
#define _PAGE_FRAME		0x000ffffffffff000UL
#define SIM_PROT		(0x163 | (SIM_FIRST_BLOCK ? BIT(63) : 0))
#define PAGE_KERNEL		((pgprot_t){ SIM_PROT })
#define SIM_PROT_OTHER		((pgprot_t){ SIM_PROT | 0x10 })
#define __pte(v)		((pte_t){ .pte = (v) })
#define native_make_pte(v)	__pte(v)
#define pte_val(p)		((p).pte)
#define pte_none(p)		(!((p).pte))
#define pte_same(a, b)		((a).pte == (b).pte)
#define pte_pfn(p)		(((p).pte & _PAGE_FRAME) >> PAGE_SHIFT)
#define pte_page(p)		pfn_to_page(pte_pfn(p))
#define pfn_pte(pfn, prot)						\
	__pte((pteval_t)(pfn) << PAGE_SHIFT | (prot).pgprot)

extern pte_t sim_ptes[SIM_PTES];
extern int init_mm;

static inline pte_t *virt_to_kpte(unsigned long addr)
{
	return &sim_ptes[(addr - SIM_BASE) >> PAGE_SHIFT];
}

/* As native code: one half after the other. The saved PTEs of a task are read plainly. */
static inline bool pte_present(pte_t pte)
{
#ifdef SIM_ZERO_IS_PRESENT	/* as on xtensa */
	if (!pte.pte)
		return true;
#endif
	return pte.pte & _PAGE_PRESENT;
}

static inline pte_t ptep_get(pte_t *ptep)
{
	pte_t pte;

	pte.pte_low = READ_ONCE(ptep->pte_low);
	pte.pte_high = READ_ONCE(ptep->pte_high);
	return pte;
}

static inline void native_set_pte(pte_t *ptep, pte_t pte)
{
	WRITE_ONCE(ptep->pte_high, pte.pte_high);
	/* Pairs with the loads of translate(): no present bit with the old high half. */
	smp_wmb();
	WRITE_ONCE(ptep->pte_low, pte.pte_low);
}

static inline void native_pte_clear(void *mm, unsigned long addr, pte_t *ptep)
{
	WRITE_ONCE(ptep->pte_low, 0);
	/* Pairs with the loads of translate(): no present bit with a cleared high half. */
	smp_wmb();
	WRITE_ONCE(ptep->pte_high, 0);
}

void set_pte_at(void *mm, unsigned long addr, pte_t *ptep, pte_t pte);
void set_pte_atomic(pte_t *ptep, pte_t pte);
void pte_clear(void *mm, unsigned long addr, pte_t *ptep);
void flush_tlb_one_kernel(unsigned long addr);
void __flush_tlb_all(void);
void flush_tlb_kernel_range(unsigned long start, unsigned long end);
#define flush_tlb_all()							\
	flush_tlb_kernel_range(SIM_BASE, SIM_BASE + SIM_PTES * PAGE_SIZE)
static inline void arch_flush_lazy_mmu_mode(void) { }
#define count_vm_tlb_event(event)	((void)0)
void flush_cache_vmap(unsigned long start, unsigned long end);

struct vm_struct { void *addr; };
#define VM_MAP			0
struct vm_struct *get_vm_area(unsigned long size, unsigned long flags);
void free_vm_area(struct vm_struct *area);
int apply_to_page_range(void *mm, unsigned long addr, unsigned long size,
			int (*fn)(pte_t *, unsigned long, void *), void *data);
void *sim_alloc(size_t n, size_t size);
void kvfree(const void *p);
#define GFP_KERNEL		0
#define GFP_NOWAIT		0
#define __GFP_NOMEMALLOC	0
#define __GFP_NOWARN		0
#define kvzalloc(size, gfp)	((void)(gfp), sim_alloc(1, size))
#define struct_size(p, member, n)					\
	(sizeof(*(p)) + (n) * sizeof(*(p)->member))
#define vmalloc_to_page(a)						\
	pte_page(*virt_to_kpte((unsigned long)(a) & PAGE_MASK))

/* Tasks, CPUs, locks ------------------------------------------------------------ */

struct kmap_ctrl {
	int idx;
	union {
		struct {
			unsigned short holes;
			unsigned short special;
		};
		unsigned int slow;
	};
	unsigned char pinned;
	pte_t pteval[KM_MAX_IDX];
#ifdef CONFIG_DEBUG_KMAP_LOCAL
	unsigned long mapper[KM_MAX_IDX];
#endif
};

struct task_struct {
	struct kmap_ctrl kmap_ctrl;
	unsigned int flags;
	const char *comm;
	int pid;
	const int *cpus_ptr;
	int cpus_mask;
	unsigned short migration_disabled;
	/* the machine's */
	unsigned int preempt, hardirq, softirq;
	bool irqs_off;
	int state;
};

#define PF_MEMALLOC		1
#define PF_EXITING		2
#define TASK_RUNNING		0
#define TASK_UNINTERRUPTIBLE	2

struct task_struct *sim_current(void);
int sim_this_cpu(void);
#define current			sim_current()
#define raw_smp_processor_id()	sim_this_cpu()

#define in_hardirq()		(current->hardirq)
#define in_serving_softirq()	(current->softirq)
#define in_task()		(!current->hardirq && !current->softirq)
#define irqs_disabled()		(current->irqs_off)
#define local_irq_save(flags)	\
	((flags) = current->irqs_off, current->irqs_off = true)
#define local_irq_restore(flags)	((void)(current->irqs_off = (flags)))
#define local_irq_disable()	((void)(current->irqs_off = true))
#define local_irq_enable()	do { current->irqs_off = false; sim_point(); } while (0)
#define preempt_count()							\
	(current->preempt + current->hardirq + current->softirq)
#define SYSTEM_SCHEDULING	1
#define system_state		SYSTEM_SCHEDULING
#define might_sleep()							\
do {									\
	if (preempt_count() || irqs_disabled())				\
		sim_warn("sleeping function in atomic context");	\
} while (0)

/* Compiler barriers, so an event may happen on either side. */
#define preempt_disable()	do { sim_point(); current->preempt++; } while (0)
#define preempt_enable()	do { current->preempt--; sim_point(); } while (0)
#define pagefault_disable()	((void)0)
#define pagefault_enable()	((void)0)
void migrate_disable(void);
void migrate_enable(void);
void on_each_cpu_cond(bool (*cond)(int, void *), void (*func)(void *), void *arg,
		      bool wait);

static inline unsigned int memalloc_noreclaim_save(void)
{
	unsigned int old = current->flags & PF_MEMALLOC;

	current->flags |= PF_MEMALLOC;
	return old;
}

static inline void memalloc_noreclaim_restore(unsigned int old)
{
	current->flags = (current->flags & ~PF_MEMALLOC) | old;
}

/* Per-CPU data are at the same place in each CPU's copy of a section. */
#define SIM_PERCPU_BYTES	1024
extern char __start_percpu_section[];
extern char sim_percpu[SIM_CPUS][SIM_PERCPU_BYTES];
#define DEFINE_PER_CPU(type, name)					\
	__attribute__((section("percpu_section"), used)) __typeof__(type) name
#define DEFINE_PER_CPU_READ_MOSTLY(type, name)	DEFINE_PER_CPU(type, name)
#define per_cpu(var, cpu)						\
(*({									\
	char *__p = (char *)&(var);					\
	__asm__("" : "+r" (__p));					\
	(__typeof__(&(var)))(sim_percpu[cpu] + (__p - __start_percpu_section)); \
}))
#define raw_cpu_read(var)	per_cpu(var, raw_smp_processor_id())
/* For counters. They are always off. */
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) name
#define this_cpu_add(var, n)	((void)(n))
#define this_cpu_read(var)	0U
#define this_cpu_write(var, n)	((void)(n))
#define for_each_possible_cpu(cpu) for (cpu = 0; cpu < SIM_CPUS; cpu++)

typedef struct { int locked; } spinlock_t;
#define DEFINE_SPINLOCK(name)	spinlock_t name
#define spin_lock_init(l)	((l)->locked = 0)
void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
#define spin_lock_irqsave(l, flags) \
	do { local_irq_save(flags); spin_lock(l); } while (0)
#define spin_unlock_irqrestore(l, flags) \
	do { spin_unlock(l); local_irq_restore(flags); } while (0)

struct mutex { int locked; };
#define DEFINE_MUTEX(name)	struct mutex name
void mutex_lock(struct mutex *lock);
bool mutex_trylock(struct mutex *lock);
void mutex_unlock(struct mutex *lock);
#define sim_assert_held(l)	((void)(l))

#define SIM_SLEEPERS		16
typedef struct wait_queue_head {
	spinlock_t lock;	/* guards nr and sleeper[] */
	int nr;
	struct task_struct *sleeper[SIM_SLEEPERS];
	bool exclusive[SIM_SLEEPERS];
} wait_queue_head_t;
#define DECLARE_WAIT_QUEUE_HEAD(name)	wait_queue_head_t name
#define DEFINE_WAIT(name)		int name = 0
#define HZ				100
/* jiffies has 32 bits, as on the machines with high memory, and begins anywhere. */
#define jiffies				((u32)sim_jiffies())
#define get_jiffies_64()		sim_jiffies()
#define time_is_after_jiffies(a)	((s32)(jiffies - (u32)(a)) < 0)
#define time_after_eq(a, b)		((s32)((u32)(a) - (u32)(b)) >= 0)
#define time_before64(a, b)		((s64)((a) - (b)) < 0)
u64 sim_jiffies(void);
bool waitqueue_active(wait_queue_head_t *queue);
void sim_wake(wait_queue_head_t *queue, bool all);
#define wake_up(q)			sim_wake(q, false)
#define wake_up_all(q)			sim_wake(q, true)
void sim_prepare_to_wait(wait_queue_head_t *queue, int state, bool exclusive);
#define prepare_to_wait(q, wait, state)			sim_prepare_to_wait(q, state, false)
#define prepare_to_wait_exclusive(q, wait, state)	sim_prepare_to_wait(q, state, true)
void finish_wait(wait_queue_head_t *queue, int *wait);
long schedule_timeout(long timeout);

/* CPU hotplug is not simulated, and there is no command line. */
#define CPUHP_AP_KMAP_LOCAL_DYING	0
#define debug_pagealloc_enabled()	false
#define cpuhp_setup_state_nocalls(state, name, up, down) ((void)(down), 0)

/* Declared for the helpers in <linux/highmem.h>, which are not run ------------- */

#define for_each_populated_zone(z)	for (z = NULL; z; )
#define is_highmem(z)			((void)(z), 1)
#define zone_page_state(z, s)		0UL
#define zone_managed_pages(z)		0UL
#define flush_dcache_page(p)		((void)(p))
#define flush_dcache_folio(f)		((void)(f))
#define lowmem_page_address(p)		((void)(p), (void *)PAGE_OFFSET)
void *page_address(const struct page *page);
void page_address_init(void);
#define virt_to_page(a)			((void)(a), (struct page *)NULL)
#define page_size(p)			((void)(p), PAGE_SIZE)
#define folio_size(f)			((void)(f), PAGE_SIZE)
#define folio_put(f)			((void)(f))
#define page_folio(p)			((struct folio *)(p))
#define compound_nr(p)			1
#define offset_in_folio(f, p)		((size_t)(p) & ~PAGE_MASK)
#define clear_page(a)			((void)(a))
#define clear_user_page(a, v, p)	((void)(a))
#define copy_page(d, s)			((void)(d), (void)(s))
#define copy_user_page(d, s, v, p)	((void)(d), (void)(s))
#define kasan_reset_tag(a)		(a)
#define kmsan_unpoison_memory(a, n)	((void)(a))
#define kmsan_copy_page_meta(d, s)	((void)(d), (void)(s))
#define GFP_HIGHUSER_MOVABLE		0
#define vma_alloc_folio(...)		((struct folio *)NULL)
#define user_alloc_needs_zeroing()	true

#endif /* HIGHMEM_SHIM_H */
