/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/slices.h"

typedef struct {
  const Cnn3dPlan *plan;
  int n, group;
  gboolean *reads; /* [i * n + k]: step i reads the output of step k */
  gboolean *able;
  gboolean *kept;
} Choice;

/* The buffer that a step writes has the step's number. */
static void
find_reads (Choice *c)
{
  for (int i = 0; i < c->n; i++) {
    const Cnn3dStep *step = cnn3d_plan_step (c->plan, i);
    gboolean *reads = c->reads + i * c->n;

    g_assert (step->buffer == i);
    for (int k = 0; k < step->channels_in && step->inputs != NULL; k++)
      reads[step->inputs[k].buffer] = TRUE;
    for (int b = 0; b < step->n_blocks && step->residual != NULL; b++)
      reads[step->residual[b].buffer] = TRUE;
  }
}

static int
floor_div (int a, int b)
{
  return a >= 0 ? a / b : -((b - 1 - a) / b);
}

/*
 * The window of slice t spans inputs [t * stride - pad, t * stride - pad + kernel). All inputs of a
 * step have the same times; a residual has those of the output.
 */
static void
find_ranges (const Choice *c, int i, Cnn3dStepSlices *steps)
{
  const Cnn3dStep *step = cnn3d_plan_step (c->plan, i);
  Cnn3dStepSlices *s = &steps[i];
  int stride = step->stride.t, pad = step->pad.t, kernel = step->kernel.t;
  int first = 0, end = step->in.t;

  s->n = step->out.t;
  s->scale = 1;
  s->last_frame = g_new0 (int, step->out.t);
  for (int k = 0; k < i; k++) {
    if (!c->reads[i * c->n + k] || cnn3d_plan_step (c->plan, k)->out.t != step->in.t)
      continue;
    s->scale = steps[k].scale;
    first = MAX (first, steps[k].first);
    end = MIN (end, steps[k].end);
  }
  s->scale *= stride;
  s->first = MAX (-floor_div (-(first + pad), stride), 0);
  s->end = MIN (floor_div (end - kernel + pad, stride) + 1, step->out.t);
  for (int t = 0; t < step->out.t; t++) {
    int last = CLAMP (t * stride - pad + kernel - 1, 0, step->in.t - 1);

    s->last_frame[t] = i > 0 ? 0 : CLAMP ((t - t % c->group + c->group - 1) * stride - pad + kernel - 1, 0, step->in.t - 1);
    for (int k = 0; k < i; k++) {
      const Cnn3dStep *source = cnn3d_plan_step (c->plan, k);

      if (c->reads[i * c->n + k])
        s->last_frame[t] = MAX (s->last_frame[t],
            steps[k].last_frame[source->out.t == step->in.t ? last : t]);
    }
  }
}

/* Of the chain that step i is part of, whether all but the last step are kept. */
static gboolean
chain_is_kept (const Choice *c, int i)
{
  int first = i, n;

  while (cnn3d_plan_step (c->plan, first)->chain == 0)
    first--;
  n = cnn3d_plan_step (c->plan, first)->chain;
  for (int k = first; k < first + n - 1; k++)
    if (!c->kept[k])
      return FALSE;
  return TRUE;
}

/* Of the steps that step i reads: whether one is kept, whether all are. */
static gboolean
reads_kept (const Choice *c, int i, gboolean *all)
{
  gboolean any = i == 0;

  *all = TRUE;
  for (int k = 0; k < i; k++) {
    any = any || (c->reads[i * c->n + k] && c->kept[k]);
    *all = *all && (!c->reads[i * c->n + k] || c->kept[k]);
  }
  return any;
}

/* Whether step i can read slices that are kept. */
static gboolean
reads_slices (const Choice *c, int i)
{
  gboolean all, any = reads_kept (c, i, &all);

  return c->able[i] && any && all && chain_is_kept (c, i);
}

/* Takes back what the rules for step i do not allow; returns whether there was something. */
static gboolean
restrict_step (Choice *c, int i)
{
  gboolean changed = c->kept[i];

  if (reads_slices (c, i))
    return FALSE;
  c->kept[i] = FALSE;
  /* A whole step reads them in the arena, where what lies within a chain has no place. */
  for (int k = 0; k < i; k++)
    if (c->reads[i * c->n + k] && c->kept[k] && cnn3d_plan_buffer (c->plan, k)->in_chain) {
      c->kept[k] = FALSE;
      changed = TRUE;
    }
  return changed;
}

/* Slices of a step that do not need the clip's last frame: the first ones. */
static int
count_early (const Choice *c, const Cnn3dStepSlices *s)
{
  int n = 0;

  while (n < s->n && s->last_frame[n] < cnn3d_plan_step (c->plan, 0)->in.t - 1)
    n++;
  return n;
}

/*
 * Where most slices belong to one clip and need its last frame, whole steps are faster. A quarter that does not is worth it
 * for the time from there to the result.
 */
static gboolean
is_worth_keeping (const Choice *c, const Cnn3dStepSlices *s)
{
  return 2 * (s->end - s->first) >= s->n || 4 * count_early (c, s) >= s->n;
}

/* Whether a whole step reads step k. */
static gboolean
is_copied (const Choice *c, int k)
{
  for (int i = k + 1; i < c->n; i++)
    if (c->reads[i * c->n + k] && !c->kept[i] && !reads_slices (c, i))
      return c->kept[k];
  return FALSE;
}

/* Multiply-adds that take as long as to copy a float. */
#define COPY_MACS 16

/* Whether copying takes longer than what of step k, and of kept steps that depend on it, is done before the last frame. */
static gboolean
costs_more (const Choice *c, const Cnn3dStepSlices *steps, int k)
{
  g_autofree gboolean *depends = g_new0 (gboolean, c->n);
  gint64 gain = 0;

  depends[k] = TRUE;
  for (int i = k; i < c->n; i++) {
    const Cnn3dStep *step = cnn3d_plan_step (c->plan, i);

    for (int j = k; j < i; j++)
      depends[i] = depends[i] || (depends[j] && c->reads[i * c->n + j] && c->kept[i]);
    if (!depends[i])
      continue;
    gain += step->macs * count_early (c, &steps[i]) / steps[i].n;
    if (is_copied (c, i))
      gain -= COPY_MACS * CNN3D_BLOCK * step->n_blocks * cnn3d_extent_count (step->out);
  }
  return gain < 0;
}

/* Takes back what the rules do not allow, and then the last step not worth its copy; returns whether there was one. */
static gboolean
settle (Choice *c, const Cnn3dStepSlices *steps)
{
  gboolean changed = TRUE;

  while (changed) {
    changed = FALSE;
    for (int i = 0; i < c->n; i++)
      changed = restrict_step (c, i) || changed;
  }
  for (int k = c->n - 1; k >= 0; k--)
    if (is_copied (c, k) && costs_more (c, steps, k)) {
      c->kept[k] = FALSE;
      return TRUE;
    }
  return FALSE;
}

static void
find_early (const Choice *c, Cnn3dSlices *slices)
{
  for (int i = 1; i < c->n; i++) {
    const Cnn3dStepSlices *s = &slices->steps[i];
    int early = s->role == CNN3D_SLICES_KEPT ? count_early (c, s) : 0;

    if (early > 0)
      slices->early = MAX (slices->early, s->last_frame[early - 1] + 1);
  }
}

Cnn3dSlices *
cnn3d_slices_new (const Cnn3dPlan *plan, gboolean (*able) (int step, gpointer data), gpointer data, int group)
{
  int n = (int) plan->steps->len;
  g_autofree gboolean *reads = g_new0 (gboolean, (gsize) n * (gsize) n);
  g_autofree gboolean *is_able = g_new0 (gboolean, n), *kept = g_new0 (gboolean, n);
  Choice c = { plan, n, group, reads, is_able, kept };
  Cnn3dSlices *slices = g_new0 (Cnn3dSlices, 1);

  slices->n_steps = n;
  slices->steps = g_new0 (Cnn3dStepSlices, n);
  find_reads (&c);
  for (int i = 0; i < n; i++) {
    find_ranges (&c, i, slices->steps);
    is_able[i] = able (i, data);
    kept[i] = is_able[i] && is_worth_keeping (&c, &slices->steps[i]);
  }
  while (settle (&c, slices->steps))
    ;
  for (int i = 0; i < n; i++) {
    slices->steps[i].role = kept[i]     ? CNN3D_SLICES_KEPT
        : i > 0 && reads_slices (&c, i) ? CNN3D_SLICES_LAST
                                        : CNN3D_SLICES_WHOLE;
    slices->steps[i].copied = is_copied (&c, i);
    slices->n_kept += kept[i];
  }
  find_early (&c, slices);
  return slices;
}

void
cnn3d_slices_free (Cnn3dSlices *slices)
{
  if (slices == NULL)
    return;
  for (int i = 0; i < slices->n_steps; i++)
    g_free (slices->steps[i].last_frame);
  g_free (slices->steps);
  g_free (slices);
}
