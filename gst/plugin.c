/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/gstvideoclassify3d.h"
#ifdef HAVE_PANGOCAIRO
#include "gst/gstvideoclassoverlay.h"
#endif
#include "gst/gstvideoclassjson.h"
#include "gst/gstvideoclasstext.h"
#include "gst/videoclassify/gstvideoclassifymeta.h"

static gboolean
plugin_init (GstPlugin * plugin)
{
  gboolean ok = FALSE;

  /* What other processes send can only be read when it is registered. */
  gst_video_classify_meta_get_info ();
  ok |= GST_ELEMENT_REGISTER (videoclassify3d, plugin);
  ok |= GST_ELEMENT_REGISTER (videoclassjson, plugin);
  ok |= GST_ELEMENT_REGISTER (videoclasstext, plugin);
#ifdef HAVE_PANGOCAIRO
  ok |= GST_ELEMENT_REGISTER (videoclassoverlay, plugin);
#endif
  return ok;
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, videoclassify3d,
    "Classification of video clips with 3D convolutional networks",
    plugin_init, VERSION, "LGPL", "lib3dcnn", GST_PACKAGE_ORIGIN)
