/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/session-options.h"

void
tool_session_clear (ToolSession *session)
{
  g_free (session->backend);
  g_free (session->device);
  g_free (session->precision);
}

gboolean
tool_session_options (const ToolSession *session, Cnn3dSessionOptions *options)
{
  g_autoptr (GError) error = NULL;

  if ((session->backend != NULL && !cnn3d_backend_from_name (session->backend, &options->backend, &error))
      || (session->precision != NULL
          && !cnn3d_precision_from_name (session->precision, &options->precision, &error))) {
    tool_complain ("%s", error->message);
    return FALSE;
  }
  options->device = session->device;
  options->allow_tf32 = session->allow_tf32;
  return TRUE;
}

void
tool_session_warn (Cnn3dSession *session)
{
  static gboolean said;
  const char *reason = cnn3d_session_get_fallback (session);

  if (reason == NULL || said)
    return;
  said = TRUE;
  tool_complain ("running on the CPU: %s", reason);
}
