/* infer-pull - fetch a model from Hugging Face's hub into the cache that its own programs use. */
#include "infer.h"

#include "tools/common/failure.h"
#include "tools/common/program.h"
#include "tools/pull/fetch.h"
#include "tools/pull/show.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { EXIT_INTERRUPTED = 130 };

static struct {
    const char *model[1];
    struct pull_settings settings;
    bool quiet, dry;
    int32_t retries, patience;
    float delay;
} o = { .retries = 5, .patience = 30, .delay = 1 };

static const struct opt rows[] = {
    { OPT_GROUP, .help = "What to fetch" },
    PULL_ROWS(o.settings),
    { OPT_TEXT, "--cache", "DIR", "the cache; default as the environment says, see below", &o.settings.cache, 0, 0 },
    { OPT_FLAG, "-n, --dry-run", NULL, "show what would be fetched; fetch nothing", &o.dry, 0, 0 },
    { OPT_GROUP, .help = "How" },
    { OPT_INT, "--retries", "N", "how often in a row to try again after trouble", &o.retries, 0, 100 },
    { OPT_FLOAT, "--retry-delay", "S", "seconds before the first time; each further one twice as long", &o.delay, 0,
      60 },
    { OPT_INT, "--timeout", "S", "seconds without a byte after which a connection counts as lost", &o.patience, 1,
      3600 },
    { OPT_FLAG, "-q, --quiet", NULL, "show no progress", &o.quiet, 0, 0 },
    OPT_STANDARD,
};

static const struct command command = {
    .name = "infer-pull",
    .about = "fetch a model from a hub",
    .usage = "[options] ORG/REPO[:TYPE][@REVISION] | URL",
    .examples = "  infer-pull ORG/REPO                       its Q4_K_M, else Q8_0, else first GGUF file;\n"
                "                                            without any its SafeTensors\n"
                "  infer-pull ORG/REPO:q6_k@v1.0             of a type, a branch, tag or commit\n"
                "  infer-pull https://HOST/model.gguf        from anywhere\n"
                "  infer-run -m \"$(infer-pull ORG/REPO)\" -p \"Once upon a time\"\n",
    .notes = "Writes the path of the model to stdout, progress to stderr. What is in the cache\n"
             "is not fetched again; what was broken off is gone on with.\n\n"
             "Environment:\n" PULL_ENVIRONMENT
             "  HTTPS_PROXY, NO_PROXY     as curl has them\n"
             "\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted by Ctrl-C.\n",
    .rows = rows,
    .n_rows = sizeof rows / sizeof *rows,
    .operands = o.model,
    .min_operands = 1,
    .max_operands = 1,
};

/* ---- Ctrl-C: the first one asks, a second one kills ---- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static bool go_on(void)
{
    return !interrupted;
}

static void catch_interrupt(void)
{
    struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void list_files(const struct pull_result *r)
{
    char size[FETCH_TEXT];
    for (size_t i = 0; i < r->n_files; i++)
        printf("%10s  %-7s  %s\n", fetch_text(size, r->sizes[i]), r->present[i] ? "cached" : "missing", r->files[i]);
}

static int report(const struct pull_result *r, const struct pull_show *show, double seconds)
{
    char text[FETCH_TEXT], rate[FETCH_TEXT];
    if (r->trouble.code != INFER_OK)
        fprintf(stderr, "infer-pull: %s; using what is in the cache\n", r->trouble.message);
    if (o.dry)
        list_files(r);
    else if (printf("%s\n", r->path) < 0 || fflush(stdout) != 0)
        return 1;
    if (show->out && r->fetched)
        fprintf(show->out, "%s in %.1f s, %s/s\n", fetch_text(text, r->fetched), seconds,
                fetch_text(rate, (uint64_t)((double)r->fetched / (seconds > 1e-3 ? seconds : 1e-3))));
    return 0;
}

static int pull(struct pull_setup *setup)
{
    struct pull_show show = { .out = o.quiet ? NULL : stderr, .terminal = isatty(STDERR_FILENO), .go_on = go_on };
    struct pull_result result = { 0 };
    infer_error err = { 0 };
    const double began = seconds_now();
    setup->o.on_progress = pull_show;
    setup->o.user = &show;
    setup->o.dry = o.dry;
    setup->o.retries = o.retries;
    setup->o.delay = (double)o.delay;
    setup->o.patience = o.patience;
    const infer_status status = pull_model(o.model[0], &setup->o, &result, &err);
    pull_show_end(&show);
    int code = status == INFER_OK ? report(&result, &show, seconds_now() - began) : 1;
    if (status == INFER_E_CANCELLED) {
        fprintf(stderr, "infer-pull: interrupted; the same command goes on with it\n");
        code = EXIT_INTERRUPTED;
    } else if (status != INFER_OK) {
        code = report_failure("infer-pull", &err);
    }
    pull_free(&result);
    return code;
}

int main(int argc, char **argv)
{
    const enum options_result options = options_parse(&command, argc, argv);
    if (options != OPTIONS_RUN)
        return options == OPTIONS_DONE ? 0 : EXIT_USAGE;
    struct pull_setup setup;
    infer_error err = { 0 };
    catch_interrupt();
    if (pull_setup_open(&setup, &o.settings, &err) != INFER_OK)
        return report_failure("infer-pull", &err);
    const int code = pull(&setup);
    pull_setup_close(&setup);
    return code;
}
