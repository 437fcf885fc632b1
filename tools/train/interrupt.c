/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/interrupt.h"

#include <signal.h>

static volatile sig_atomic_t interrupted;

static void
on_signal (int number)
{
  interrupted = 1;
}

void
interrupt_catch (void)
{
  struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int) SA_RESETHAND };

  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
  sigaction (SIGUSR1, &action, NULL);
}

gboolean
interrupt_seen (void)
{
  return interrupted != 0;
}
