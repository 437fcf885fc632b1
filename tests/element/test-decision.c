/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Smoothing and single-time activation, on scores written by hand. Classes: 0 is
 * idle, 1 and 2 are actions A and B. */

#include "gst/decision.h"

static const gboolean idle[3] = { TRUE, FALSE, FALSE };

static GstDecision *
decision_new (GstDecisionSmoothing smoothing, guint window)
{
  GstDecision *decision = gst_decision_new (3, idle);
  GstDecisionParams params = { smoothing, window, 0.5, 0.15, 0.3 };

  gst_decision_set_params (decision, &params);
  return decision;
}

/* Feeds clips of one second, each a letter: '.', 'A' and 'B' are sure, 'a' and
 * 'b' lead by little. Returns what was reported, as text. */
static gchar *
feed (GstDecision * decision, const gchar * clips)
{
  GString *reported = g_string_new (NULL);
  GstDecisionEvent events[2];

  for (guint i = 0; clips[i]; i++) {
    gfloat scores[3] = { 0.1f, 0.1f, 0.1f };
    guint n;

    switch (clips[i]) {
      case 'A':
        scores[1] = 0.8f;
        break;
      case 'B':
        scores[2] = 0.8f;
        break;
      case 'a':
        scores[1] = 0.52f;
        scores[2] = 0.4f;
        break;
      case 'b':
        scores[2] = 0.52f;
        scores[1] = 0.4f;
        break;
      default:
        scores[0] = 0.8f;
        break;
    }
    n = gst_decision_update (decision, scores, i, i + 1, events);
    for (guint k = 0; k < n; k++)
      g_string_append_printf (reported, "%c%s@%d-%d ", 'A' + events[k].index - 1,
          events[k].early ? "!" : "", (gint) events[k].start,
          (gint) events[k].end);
  }
  if (gst_decision_finish (decision, &events[0]))
    g_string_append_printf (reported, "%c@%d-%d ", 'A' + events[0].index - 1,
        (gint) events[0].start, (gint) events[0].end);
  return g_string_free (reported, FALSE);
}

static void
check (const gchar * clips, const gchar * expected)
{
  g_autoptr (GstDecision) decision =
      decision_new (GST_DECISION_SMOOTHING_NONE, 1);
  g_autofree gchar *reported = feed (decision, clips);

  g_assert_cmpstr (reported, ==, expected);
}

static void
test_once (void)
{
  check ("....", "");
  check (".AAAA.", "A!@1-2 ");
  check ("AAAA", "A!@0-1 ");
}

static void
test_again (void)
{
  check ("AA..AA", "A!@0-1 A!@4-5 ");
  check ("A.B.A", "A!@0-1 B!@2-3 A!@4-5 ");
  check ("ABA", "A!@0-1 B!@1-2 A!@2-3 ");
}

/* What never leads by much is reported when it ends, if it stayed above the
 * threshold. */
static void
test_unsure (void)
{
  check (".aaa.", "A@1-4 ");
  check ("aaA.", "A!@0-3 ");
  check ("aaa", "A@0-3 ");
  check ("aaabbb", "A@0-4 B@4-6 ");
}

/* Two that alternate: each time, if the network is sure; else they are one action,
 * of the class that was first. */
static void
test_alternating (void)
{
  check ("ABABAB", "A!@0-1 B!@1-2 A!@2-3 B!@3-4 A!@4-5 B!@5-6 ");
  check ("ababab", "A@0-6 ");
  check ("AbAbAb.", "A!@0-1 ");
  check (".babab.", "B@1-6 ");
}

/* Idle classes never begin an action, however sure; nor does what lies below the
 * threshold. */
static void
test_idle (void)
{
  g_autoptr (GstDecision) decision =
      decision_new (GST_DECISION_SMOOTHING_NONE, 1);
  GstDecisionEvent events[2];
  gfloat low[3] = { 0.05f, 0.49f, 0.02f };
  gfloat sure[3] = { 0.99f, 0.005f, 0.005f };

  for (guint i = 0; i < 5; i++) {
    g_assert_cmpuint (gst_decision_update (decision, low, i, i + 1, events), ==,
        0);
    g_assert_cmpuint (gst_decision_update (decision, sure, i, i + 1, events),
        ==, 0);
  }
  g_assert_cmpuint (gst_decision_finish (decision, events), ==, 0);
}

/* Between threshold and hysteresis an action goes on. */
static void
test_hysteresis (void)
{
  g_autoptr (GstDecision) decision =
      decision_new (GST_DECISION_SMOOTHING_NONE, 1);
  static const gfloat a[] = { 0.9f, 0.4f, 0.4f, 0.9f, 0.3f, 0.9f };
  GstDecisionEvent events[2];
  guint n = 0;

  for (guint i = 0; i < G_N_ELEMENTS (a); i++) {
    gfloat scores[3] = { 0, a[i], 0 };
    n += gst_decision_update (decision, scores, i, i + 1, events);
    g_assert_cmpint (gst_decision_get_current (decision), ==,
        a[i] < 0.35f ? -1 : 1);
  }
  g_assert_cmpuint (n, ==, 2);
}

static void
test_peak (void)
{
  g_autoptr (GstDecision) decision =
      decision_new (GST_DECISION_SMOOTHING_NONE, 1);
  static const gfloat a[] = { 0.55f, 0.6f, 0.7f, 0.58f, 0.1f };
  GstDecisionEvent events[2];
  guint n = 0;

  for (guint i = 0; i < G_N_ELEMENTS (a); i++) {
    gfloat scores[3] = { 0, a[i], 0.45f };
    n += gst_decision_update (decision, scores, 10 * i, 10 * i + 10, events);
  }
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpint (events[0].start, ==, 0);
  g_assert_cmpint (events[0].peak, ==, 25);
  g_assert_cmpint (events[0].end, ==, 40);
  g_assert_cmpfloat_with_epsilon (events[0].score, 0.7, 1e-6);
}

static void
check_smoothing (GstDecisionSmoothing smoothing, const gfloat expected[4])
{
  g_autoptr (GstDecision) decision = decision_new (smoothing, 3);
  static const gfloat in[4] = { 1, 0, 0, 1 };

  for (guint again = 0; again < 2; again++) {
    for (guint i = 0; i < 4; i++) {
      gfloat scores[3] = { in[i], 0.25f, 1 - in[i] };

      gst_decision_smooth (decision, scores);
      g_assert_cmpfloat_with_epsilon (scores[0], expected[i], 1e-6);
      g_assert_cmpfloat_with_epsilon (scores[1], 0.25, 1e-6);
      g_assert_cmpfloat_with_epsilon (scores[2], 1 - expected[i], 1e-6);
    }
    gst_decision_reset (decision);
  }
}

static void
test_smoothing (void)
{
  check_smoothing (GST_DECISION_SMOOTHING_NONE, (gfloat[]) {
      1, 0, 0, 1});
  check_smoothing (GST_DECISION_SMOOTHING_MEAN, (gfloat[]) {
      1, 0.5f, 1 / 3.0f, 1 / 3.0f});
  check_smoothing (GST_DECISION_SMOOTHING_MEDIAN, (gfloat[]) {
      1, 0.5f, 0, 0});
  check_smoothing (GST_DECISION_SMOOTHING_EWMA, (gfloat[]) {
      1, 0.5f, 0.25f, 0.625f});
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/decision/once", test_once);
  g_test_add_func ("/decision/again", test_again);
  g_test_add_func ("/decision/unsure", test_unsure);
  g_test_add_func ("/decision/alternating", test_alternating);
  g_test_add_func ("/decision/idle", test_idle);
  g_test_add_func ("/decision/hysteresis", test_hysteresis);
  g_test_add_func ("/decision/peak", test_peak);
  g_test_add_func ("/decision/smoothing", test_smoothing);
  return g_test_run ();
}
