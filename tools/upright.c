/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/upright.h"

#include <gst/gst.h>

#include "tools/tool.h"

const char *
upright_elements (void)
{
  g_autoptr (GstElementFactory) flip = gst_element_factory_find ("videoflip");
  static gsize told;

  if (flip != NULL)
    return "videoconvert ! videoflip video-direction=auto";
  if (g_once_init_enter (&told)) {
    tool_complain ("the GStreamer element videoflip is missing (gst-plugins-good): videos that are to be turned, as those"
        " of phones may be, stay as they are");
    g_once_init_leave (&told, 1);
  }
  return "videoconvert";
}
