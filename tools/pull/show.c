/* show.c - the progress of a download on stderr. */
#include "tools/pull/show.h"

#include "tools/common/program.h"
#include "tools/pull/fetch.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR = 24 };

static int columns(FILE *out)
{
    struct winsize w;
    return ioctl(fileno(out), TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 80;
}

/* How fast it comes: the mean over the last seconds, those before counting less. */
static void measure(struct pull_show *s, const struct pull_progress *p, double now)
{
    const double passed = now - s->measured;
    if (p->state != PULL_FETCHING || p->all_done < s->at || !s->measured) {
        s->measured = now;
        s->at = p->all_done;
    } else if (passed >= 0.25) {
        const double rate = (double)(p->all_done - s->at) / passed, weight = passed / (passed + 3);
        s->rate = s->rate > 0 ? s->rate + weight * (rate - s->rate) : rate;
        s->measured = now;
        s->at = p->all_done;
    }
}

static void draw(struct pull_show *s, const struct pull_progress *p)
{
    char done[FETCH_TEXT], size[FETCH_TEXT], rate[FETCH_TEXT], left[64] = "", line[400], bar[BAR + 1];
    const double part = p->all_size ? (double)p->all_done / (double)p->all_size : 0;
    const double seconds = s->rate > 0 ? (double)(p->all_size - p->all_done) / s->rate : 0;
    const char *name = strrchr(p->file, '/');
    for (int i = 0; i < BAR; i++)
        bar[i] = i < (int)(part * BAR) ? '#' : '.';
    bar[BAR] = 0;
    if (p->state == PULL_FETCHING && s->rate > 0 && seconds < 1e6)
        snprintf(left, sizeof left, "  %s/s  %d:%02d left", fetch_text(rate, (uint64_t)s->rate), (int)seconds / 60,
                 (int)seconds % 60);
    snprintf(line, sizeof line, "%3.0f %% %s %s of %s%s  %s%s", 100 * part, bar, fetch_text(done, p->all_done),
             fetch_text(size, p->all_size), left, p->state == PULL_CHECKING ? "checking " : "",
             name ? name + 1 : p->file);
    fprintf(s->out, "\r\033[K%.*s", columns(s->out) - 1, line);
    s->dirty = true;
}

/* Lines for a log: each file as it begins, and each tenth of all. */
static void log_lines(struct pull_show *s, const struct pull_progress *p)
{
    char size[FETCH_TEXT];
    if (s->begun <= p->index && p->state != PULL_FETCHED) {
        s->begun = p->index + 1;
        s->shown = seconds_now();
        fprintf(s->out, "fetching %s, %s\n", p->file, fetch_text(size, p->size));
    }
    const size_t percent = p->all_size ? (size_t)(10 * (p->all_done / (double)p->all_size)) : 0;
    if (percent > s->percent && percent < 10 && seconds_now() - s->shown > 5) {
        s->percent = percent;
        s->shown = seconds_now();
        fprintf(s->out, "%zu0 %% of %s\n", percent, fetch_text(size, p->all_size));
    }
}

static void tell_wait(struct pull_show *s, const char *why)
{
    pull_show_end(s);
    if (!s->waits)
        fprintf(s->out, "%s; trying again\n", why);
    s->waits = true;
}

bool pull_show(void *user, const struct pull_progress *p)
{
    struct pull_show *s = user;
    const double now = seconds_now();
    const bool stop = s->go_on && !s->go_on();
    if (!s->out || stop)
        return !stop;
    if (p->state == PULL_WAITING) {
        tell_wait(s, p->trouble);
    } else if (p->state == PULL_LOCKED) {
        if (!s->waits)
            fprintf(s->out, "another process fetches %s; waiting for it\n", p->file);
        s->waits = true;
    } else if (p->file) {
        s->waits = false;
        measure(s, p, now);
        if (!s->terminal) {
            log_lines(s, p);
        } else if (now - s->shown > 0.1) {
            draw(s, p);
            s->shown = now;
        }
    }
    fflush(s->out);
    return true;
}

void pull_show_end(struct pull_show *s)
{
    if (s->dirty)
        fputs("\r\033[K", s->out);
    s->dirty = false;
}

char *pull_named(const struct pull_settings *settings, bool quiet, bool (*go_on)(void), infer_error *err)
{
    struct pull_setup setup;
    struct pull_result result = { 0 };
    struct pull_show show = { .out = quiet ? NULL : stderr, .terminal = isatty(STDERR_FILENO), .go_on = go_on };
    char *path = NULL;
    if (pull_setup_open(&setup, settings, err) != INFER_OK)
        return NULL;
    setup.o.on_progress = pull_show;
    setup.o.user = &show;
    const infer_status status = pull_model(settings->repo, &setup.o, &result, err);
    pull_show_end(&show);
    if (status == INFER_OK) {
        path = result.path;
        result.path = NULL;
        if (result.trouble.code != INFER_OK && show.out)
            fprintf(show.out, "%s; using what is in the cache\n", result.trouble.message);
    }
    pull_free(&result);
    pull_setup_close(&setup);
    return path;
}
