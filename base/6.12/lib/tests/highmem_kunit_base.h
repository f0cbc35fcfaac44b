/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interfaces of Linux 6.12 that differ from later kernels, for the suites of high memory.
 * Each base has a file of this name.
 */
#ifndef _HIGHMEM_KUNIT_BASE_H
#define _HIGHMEM_KUNIT_BASE_H

#include <linux/hrtimer.h>
#include <linux/timer.h>

#define FILE_NORESERVE			VM_NORESERVE
#define PICK_FUNCTION			"pick_next_task_fair"
#define calls_taken(cpu)		per_cpu(irq_stat, cpu).irq_call_count

#define timer_container_of		from_timer

static inline void hmk_hrtimer_setup(struct hrtimer *timer,
				     enum hrtimer_restart (*function)(struct hrtimer *),
				     enum hrtimer_mode mode)
{
	hrtimer_init(timer, CLOCK_MONOTONIC, mode);
	timer->function = function;
}

static inline void hmk_hrtimer_setup_on_stack(struct hrtimer *timer,
					      enum hrtimer_restart (*function)(struct hrtimer *),
					      enum hrtimer_mode mode)
{
	hrtimer_init_on_stack(timer, CLOCK_MONOTONIC, mode);
	timer->function = function;
}

#endif /* _HIGHMEM_KUNIT_BASE_H */
