# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pictures and videos for tests, made by gst-launch-1.0."""
import os
import subprocess


def launch(pipeline, location=None):
    """Runs a pipeline, without our plugin: one built for a sanitizer loads into no other program.

    location, which may have spaces, is given to the pipeline's last element.
    """
    words = pipeline.split() + ([f"location={location}"] if location else [])
    subprocess.run(["gst-launch-1.0", "-q", *words], check=True,
                   env={k: v for k, v in os.environ.items() if not k.startswith("GST_")})
