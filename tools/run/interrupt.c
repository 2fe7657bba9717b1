/* interrupt.c - Ctrl-C. */
#include "tools/run/run.h"

volatile sig_atomic_t interrupted;
static infer_session *volatile running;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
    if (running)
        infer_session_cancel(running);
}

void interrupt_catch(void)
{
    struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND };
    interrupted = 0;
    sigaction(SIGINT, &action, NULL);
}

void interrupt_session(infer_session *session)
{
    running = session;
}
