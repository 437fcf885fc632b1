/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cpu/deal.h"

#define NUMBER_SHIFT (2 * CNN3D_DEAL_BITS)
#define MAX_NUMBER ((1u << (64 - NUMBER_SHIFT)) - 1)

static int
border (const Cnn3dDeal *deal, int thread)
{
  if (deal->split != NULL)
    return deal->split[thread];
  return (int) cnn3d_share (deal->total, thread, deal->n_threads);
}

static guint64
pack (const Cnn3dDeal *deal, int first, int end)
{
  return (guint64) deal->number << NUMBER_SHIFT | (guint64) first << CNN3D_DEAL_BITS | (guint64) end;
}

Cnn3dDeal
cnn3d_deal (Cnn3dWorkers *workers, int thread, int n_threads, int total, const int *split)
{
  Cnn3dDeal deal = { .thread = thread, .n_threads = n_threads, .total = total, .split = split, .own = TRUE };

  g_assert (total <= CNN3D_DEAL_MAX);
  if (n_threads == 1) {
    deal.end = split != NULL ? split[1] : total;
    return deal;
  }
  deal.hands = cnn3d_workers_get_hands (workers);
  deal.number = ++deal.hands[thread].number;
  g_assert (deal.number <= MAX_NUMBER);
  return deal;
}

int
cnn3d_deal_end (const Cnn3dDeal *deal)
{
  return border (deal, deal->thread + 1);
}

/*
 * What a share has left, by its thread's hand. Who comes first deals, as its owner may have lost its CPU before it came
 * to this step; but not while the hand holds something of an earlier deal, or may not have seen the last one.
 */
static void
look (const Cnn3dDeal *deal, int thread, guint64 units, int *first, int *end)
{
  guint number = (guint) (units >> NUMBER_SHIFT);

  *first = (int) (units >> CNN3D_DEAL_BITS & CNN3D_DEAL_MAX);
  *end = (int) (units & CNN3D_DEAL_MAX);
  if (number == deal->number)
    return;
  if (number < deal->number && (thread == deal->thread || (number == deal->number - 1 && *first == *end))) {
    *first = border (deal, thread);
    *end = border (deal, thread + 1);
  } else {
    *first = *end = 0;
  }
}

/* From the front of this thread's share, or from the back of another's. */
static int
take_from (const Cnn3dDeal *deal, int thread, int least, int most, int *first)
{
  _Atomic guint64 *units = &deal->hands[thread].units;
  gboolean own = thread == deal->thread;
  guint64 old = atomic_load_explicit (units, memory_order_relaxed), left;
  int end, n;

  do {
    look (deal, thread, old, first, &end);
    n = end - *first;
    /* What its owner will take soon is left to it. */
    if (n == 0 || (!own && n <= least))
      return 0;
    n = MIN (n, CLAMP ((n + 1) / 2, least, most));
    left = own ? pack (deal, *first + n, end) : pack (deal, *first, end - n);
    /* Relaxed, as what was computed is not read by others before the next barrier. */
  } while (!atomic_compare_exchange_weak_explicit (units, &old, left, memory_order_relaxed, memory_order_relaxed));
  if (!own)
    *first = end - n;
  return n;
}

int
cnn3d_deal_take (Cnn3dDeal *deal, int least, int most, int *first)
{
  if (deal->hands == NULL) {
    int n = MIN (most, deal->end - deal->first);

    *first = deal->first;
    deal->first += n;
    return n;
  }
  for (int i = 0; i < deal->n_threads; i++) {
    int n = take_from (deal, (deal->thread + i) % deal->n_threads, least, most, first);

    deal->own = i == 0;
    if (n > 0)
      return n;
  }
  return 0;
}
