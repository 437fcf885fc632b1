/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How blocks and their threads run: see emulation.h. */

#include "tests/gpu/emulation.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define MAX_THREADS 1024
#define STACK_BYTES (256 * 1024)

namespace emulation {

Index thread, block, block_size, grid_size;

namespace {

/* Numbers 0 to n - 1 once each: (first + i * step) mod n, where step has no factor in common with n. */
struct Order {
  uint64_t n, first, step;

  uint64_t
  at (uint64_t i) const
  {
    return (first + i * step) % n;
  }
};

struct Fiber {
  ucontext_t context;
  char *stack;
  unsigned int thread; /* that waits on it */
};

uint64_t state; /* of SplitMix64; 0 unless orders are random */
unsigned long block_count;

Body *body;
const void *body_args;

Fiber fibers[MAX_THREADS];
Fiber *current;
ucontext_t scheduler;
Order thread_order;
unsigned int next_thread, n_waiting, n_done;
Fiber *waiting[MAX_THREADS];
#ifdef HAVE_ASAN
const void *scheduler_stack;
size_t scheduler_bytes;
#endif

uint64_t
next_random (void)
{
  uint64_t z = state += 0x9E3779B97F4A7C15;

  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

uint64_t
common_divisor (uint64_t a, uint64_t b)
{
  return b == 0 ? a : common_divisor (b, a % b);
}

Order
make_order (uint64_t n, unsigned int order)
{
  Order o = { n, 0, 1 };

  if (order == 1) {
    o.first = n - 1;
    o.step = n - 1;
  } else if (order > 1) {
    o.first = next_random () % n;
    do
      o.step = next_random () % n;
    while (n > 1 && common_divisor (o.step, n) != 1);
  }
  return o;
}

/*
 * Switches to another context, and returns when somebody switches back. AddressSanitizer has to know
 * on which stack it is: to is the stack of the other context, NULL for the scheduler's.
 */
void
switch_context (ucontext_t *here, ucontext_t *there, const char *to)
{
#ifdef HAVE_ASAN
  void *fake = NULL;

  __sanitizer_start_switch_fiber (&fake, to != NULL ? to : scheduler_stack,
      to != NULL ? STACK_BYTES : scheduler_bytes);
  swapcontext (here, there);
  __sanitizer_finish_switch_fiber (fake, NULL, NULL);
#else
  swapcontext (here, there);
#endif
}

/* Runs threads until one waits or there are no more; again and again, block after block. */
void
fiber_main (void)
{
#ifdef HAVE_ASAN
  __sanitizer_finish_switch_fiber (NULL, &scheduler_stack, &scheduler_bytes);
#endif
  for (;;) {
    Fiber *fiber = current;

    while (next_thread < thread_order.n) {
      thread.x = (unsigned int) thread_order.at (next_thread++);
      body (body_args);
      n_done++;
    }
    switch_context (&fiber->context, &scheduler, NULL);
  }
}

void
resume (Fiber *fiber)
{
  if (fiber->stack == NULL) {
    fiber->stack = static_cast<char *> (malloc (STACK_BYTES));
    getcontext (&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    makecontext (&fiber->context, fiber_main, 0);
  }
  current = fiber;
  switch_context (&scheduler, &fiber->context, fiber->stack);
}

/* After an error: threads are left in the middle of their work. */
void
forget_fibers (void)
{
  for (Fiber &fiber : fibers) {
    free (fiber.stack);
    fiber.stack = NULL;
  }
}

const char *
run_block (unsigned int order)
{
  unsigned int n_threads = (unsigned int) thread_order.n, n_fibers = 0;

  block_count++;
  next_thread = n_waiting = n_done = 0;
  while (next_thread < n_threads)
    resume (&fibers[n_fibers++]);
  while (n_waiting > 0) {
    static Fiber *released[MAX_THREADS];
    Order release = make_order (n_waiting, order > 1 ? order : 0);

    if (n_done > 0)
      return "some threads of a block have come to a barrier, others to their end";
    memcpy (released, waiting, n_waiting * sizeof *waiting);
    n_waiting = 0;
    for (uint64_t i = 0; i < release.n; i++)
      resume (released[release.at (i)]);
  }
  return NULL;
}

} // namespace

void
enter_shared (unsigned long *last_block, void *memory, size_t bytes)
{
  if (*last_block == block_count)
    return;
  *last_block = block_count;
  memset (memory, 0xff, bytes);
}

void
barrier (void)
{
  Fiber *fiber = current;

  fiber->thread = thread.x;
  waiting[n_waiting++] = fiber;
  switch_context (&fiber->context, &scheduler, NULL);
  thread.x = fiber->thread;
}

const char *
launch (Body *kernel, const void *args, unsigned int grid, unsigned int threads, unsigned int order)
{
  const char *wrong = NULL;
  Order blocks;

  if (grid == 0 || grid > 0x7fffffffu || threads == 0 || threads > MAX_THREADS)
    return "a grid or a block is empty or too large";
  body = kernel;
  body_args = args;
  state = order;
  grid_size = { grid, 1, 1 };
  block_size = { threads, 1, 1 };
  thread = block = { 0, 0, 0 };
  blocks = make_order (grid, order);
  for (uint64_t i = 0; i < grid && wrong == NULL; i++) {
    block.x = (unsigned int) blocks.at (i);
    thread_order = make_order (threads, order);
    wrong = run_block (order);
  }
  if (wrong != NULL)
    forget_fibers ();
  return wrong;
}

} // namespace emulation
