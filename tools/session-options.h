/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the commands that run networks have in common: where, and in which precision. */

#include "tools/tool.h"

G_BEGIN_DECLS

typedef struct {
  char *backend, *device, *precision;
  gboolean allow_tf32;
} ToolSession;

void tool_session_clear (ToolSession *session);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ToolSession, tool_session_clear)

#define TOOL_SESSION_ENTRIES(session) TOOL_SESSION_ENTRIES_WITH (session, 'd')

/* letter: the short name of --device, or 0 where it is another option's. */
#define TOOL_SESSION_ENTRIES_WITH(session, letter)                                                   \
  { "backend", 'b', 0, G_OPTION_ARG_STRING, &(session).backend,                                      \
    "auto, cpu, cudnn or reference (auto)", "BACKEND" },                                             \
      { "device", letter, 0, G_OPTION_ARG_STRING, &(session).device,                                    \
        "GPU of the cudnn backend: index or UUID, see 3dcnn devices", "DEVICE" },                    \
      { "precision", 'p', 0, G_OPTION_ARG_STRING, &(session).precision,                              \
        "auto, fp32; bf16x3 or bf16 on some CPUs; fp16 on GPUs (auto)", "PRECISION" },                \
  { "allow-tf32", 0, 0, G_OPTION_ARG_NONE, &(session).allow_tf32,                                    \
    "With fp32 on a GPU: let products be rounded, which is faster", NULL }

/* Fills in all of the options but threads and batch; device is borrowed. FALSE: wrong usage, as it says. */
gboolean tool_session_options (const ToolSession *session, Cnn3dSessionOptions *options);
/* Says on stderr if a session with backend auto is not on the GPU that is there, after it has run; once. */
void tool_session_warn (Cnn3dSession *session);

G_END_DECLS
