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

/* Takes back what the rules for step i do not allow; returns whether there was something. */
static gboolean
restrict_step (Choice *c, int i)
{
  const gboolean *reads = c->reads + i * c->n;
  gboolean any = i == 0, all = TRUE, changed = FALSE;

  for (int k = 0; k < i; k++) {
    if (!reads[k])
      continue;
    any = any || c->kept[k];
    all = all && c->kept[k];
  }
  if (!any || (c->able[i] && all && chain_is_kept (c, i))) {
    changed = !any && c->kept[i];
    c->kept[i] = c->kept[i] && any;
    return changed;
  }
  changed = c->kept[i];
  c->kept[i] = FALSE;
  for (int k = 0; k < i; k++)
    if (reads[k] && c->kept[k]) {
      c->kept[k] = FALSE;
      changed = TRUE;
    }
  return changed;
}

static gboolean
reads_kept (const Choice *c, int i)
{
  for (int k = 0; k < i; k++)
    if (c->reads[i * c->n + k] && c->kept[k])
      return TRUE;
  return FALSE;
}

Cnn3dSlices *
cnn3d_slices_new (const Cnn3dPlan *plan, gboolean (*able) (int step, gpointer data), gpointer data, int group)
{
  int n = (int) plan->steps->len;
  g_autofree gboolean *reads = g_new0 (gboolean, (gsize) n * (gsize) n);
  g_autofree gboolean *is_able = g_new0 (gboolean, n), *kept = g_new0 (gboolean, n);
  Choice c = { plan, n, group, reads, is_able, kept };
  Cnn3dSlices *slices = g_new0 (Cnn3dSlices, 1);
  gboolean changed = TRUE;

  slices->n_steps = n;
  slices->steps = g_new0 (Cnn3dStepSlices, n);
  find_reads (&c);
  for (int i = 0; i < n; i++) {
    Cnn3dStepSlices *s = &slices->steps[i];

    find_ranges (&c, i, slices->steps);
    is_able[i] = able (i, data);
    /* Where most slices belong to one clip, whole steps are faster. */
    kept[i] = is_able[i] && s->end > s->first && 2 * (s->end - s->first) >= cnn3d_plan_step (plan, i)->out.t;
  }
  while (changed) {
    changed = FALSE;
    for (int i = 0; i < n; i++)
      changed = restrict_step (&c, i) || changed;
  }
  for (int i = 0; i < n; i++) {
    slices->steps[i].role = kept[i] ? CNN3D_SLICES_KEPT
        : reads_kept (&c, i)        ? CNN3D_SLICES_LAST
                                    : CNN3D_SLICES_WHOLE;
    slices->n_kept += kept[i];
  }
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
