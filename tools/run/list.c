/* list.c - infer-run list: the models there are. */
#include "tools/common/failure.h"
#include "tools/common/inspect.h"
#include "tools/pull/settings.h"
#include "tools/run/run.h"

#include <stdlib.h>
#include <unistd.h>

enum { MOST_FOLDERS = 64, NAME_WIDTH = 42 };

static const char *operands[MOST_FOLDERS + 1];
static struct {
    bool json, all;
} o;

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "Options", NULL, 0, 0 },
    { OPT_FLAG, "--all", NULL, "tell of files that are no models too, and why", &o.all, 0, 0 },
    { OPT_FLAG, "--json", NULL, "one JSON array instead of lines", &o.json, 0, 0 },
    OPT_STANDARD,
};

const struct command list_command = {
    .name = "infer-run list",
    .about = "the models there are",
    .usage = "[DIR...] [--json]",
    .examples = "  infer-run list ~/models\n"
                "  infer-run list --json | jq -r '.[] | select(.context > 100000) | .path'\n",
    .notes = "Without DIR: below the directories that INFER_MODELS names, with : between them,\n"
             "and in the cache of Hugging Face's programs, where infer-pull keeps its models.\n\n"
             "Environment:\n"
             "  INFER_MODELS              directories with models\n"
             "  HF_HUB_CACHE, HF_HOME     the cache, or the directory that it is in as hub;\n"
             "                            without them ~/.cache/huggingface/hub\n"
             "\nExit codes: 0 done, 1 a directory cannot be read, 2 wrong usage.\n",
    .rows = rows,
    .n_rows = sizeof rows / sizeof *rows,
    .operands = operands,
    .max_operands = MOST_FOLDERS,
};

struct listing {
    infer_context *context;
    const char *folder; /* that is being listed */
    bool headed;        /* it has been named */
    size_t n;           /* models so far */
    json_t *json;       /* NULL: lines are printed */
};

/* What a model is called: its path below the folder. In the cache, of "models--ORG--NAME/snapshots/COMMIT/FILE" it is
 * "ORG/NAME/FILE". */
static void name_of(char *name, size_t room, const char *folder, const char *path)
{
    static const char cached[] = "models--", version[] = "/snapshots/";
    const size_t n = strlen(folder);
    const char *rest = strncmp(path, folder, n) ? path : path + n + strspn(path + n, "/");
    const char *versions = strncmp(rest, cached, strlen(cached)) ? NULL : strstr(rest, version);
    if (!*rest) /* the folder is the model */
        rest = path;
    if (!versions) {
        snprintf(name, room, "%s", rest);
        return;
    }
    const char *file = strchr(versions + strlen(version), '/');
    rest += strlen(cached);
    snprintf(name, room, "%.*s%s", (int)(versions - rest), rest, file ? file : "");
    char *dashes = strstr(name, "--");
    if (dashes) {
        *dashes = '/';
        memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
    }
}

static void add_json(struct listing *l, const char *name, const infer_listed *found, const struct inspected *in,
                     const char *reason)
{
    json_t *one = json_pack("{s:o, s:o, s:I}", "name", json_of_text(name), "path", json_of_text(found->path), "bytes",
                            (json_int_t)found->bytes);
    if (in->model)
        json_join(one, json_pack("{s:s, s:s, s:s, s:I, s:i, s:b}", "format", in->info.format, "architecture",
                                 in->info.architecture, "type", in->info.quantization, "parameters",
                                 (json_int_t)in->info.n_params, "context", in->info.n_ctx_train, "runnable",
                                 (int)in->info.runnable));
    if (reason)
        json_object_set_new(one, "reason", json_of_text(reason));
    json_array_append_new(l->json, one);
}

static void print_line(struct listing *l, const char *name, const infer_listed *found, const struct inspected *in,
                       const char *reason)
{
    char parameters[32];
    if (!l->headed)
        printf("%s%s\n", l->n ? "\n" : "", l->folder);
    if (!l->n)
        printf("  %-*s %-8s %8s %8s %8s\n", NAME_WIDTH, "name", "type", "size", "params", "context");
    l->headed = true;
    printf("  %-*s ", NAME_WIDTH, name);
    if (strlen(name) > NAME_WIDTH)
        printf("\n  %-*s ", NAME_WIDTH, "");
    if (!in->model) {
        printf("%s\n", reason);
        return;
    }
    const bool millions = in->info.n_params < 999500000;
    snprintf(parameters, sizeof parameters, millions ? "%.3g M" : "%.1f B",
             (double)in->info.n_params / (millions ? 1e6 : 1e9));
    printf("%-8s %8s %8s %8d\n", in->info.quantization, human_bytes((double)found->bytes), parameters,
           in->info.n_ctx_train);
    if (!in->info.runnable)
        printf("  %-*s %s\n", NAME_WIDTH, "", reason);
}

static bool add(void *user, const infer_listed *found)
{
    struct listing *l = user;
    struct inspected in = { 0 };
    infer_error err = { 0 };
    char name[1024];
    name_of(name, sizeof name, l->folder, found->path);
    if (found->format)
        inspect_open(&in, l->context, found->path, &err);
    const char *reason = !found->format         ? found->reason
                         : err.code != INFER_OK ? err.message
                         : !in.info.runnable    ? in.load.message
                                                : NULL;
    (l->json ? add_json : print_line)(l, name, found, &in, reason);
    inspect_close(&in);
    l->n++;
    return !interrupted;
}

/* A folder that was not asked for by name need not be there. */
static infer_status list_folder(struct listing *l, const char *folder, bool asked, infer_error *err)
{
    infer_list_options options = infer_list_defaults();
    options.others = o.all;
    l->folder = folder;
    l->headed = false;
    if (!asked && access(folder, F_OK) != 0)
        return INFER_OK;
    return infer_list_models(l->context, folder, &options, add, l, err);
}

static infer_status list_usual(struct listing *l, infer_error *err)
{
    struct pull_setup setup;
    infer_status status = INFER_OK;
    const char *named = getenv("INFER_MODELS");
    char *folders = strdup(named ? named : ""), *rest = folders;
    if (!folders)
        return failure(err, INFER_E_NOMEM, "out of memory");
    for (char *folder; status == INFER_OK && (folder = strsep(&rest, ":"));)
        if (*folder)
            status = list_folder(l, folder, true, err);
    if (status == INFER_OK && (status = pull_setup_open(&setup, &(struct pull_settings){ 0 }, err)) == INFER_OK)
        status = list_folder(l, setup.o.cache, false, err);
    pull_setup_close(&setup);
    free(folders);
    if (status == INFER_OK && !l->n && !l->json)
        printf("There are no models yet. infer-pull ORG/REPO fetches one; INFER_MODELS names\n"
               "directories that have some.\n");
    return status;
}

int list_run(void)
{
    infer_error err = { 0 };
    struct listing l = { .json = o.json ? json_array() : NULL };
    interrupt_catch();
    l.context = program_context(1, 0, &err);
    infer_status status = l.context ? INFER_OK : err.code;
    for (size_t i = 0; operands[i] && status == INFER_OK; i++)
        status = list_folder(&l, operands[i], true, &err);
    if (status == INFER_OK && !operands[0])
        status = list_usual(&l, &err);
    if (status == INFER_OK && operands[0] && !l.n && !l.json)
        printf("There are no models there.\n");
    if (l.json && status == INFER_OK) {
        json_dumpf(l.json, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(l.json);
    infer_context_close(&l.context);
    return interrupted ? EXIT_INTERRUPTED : status == INFER_OK ? EXIT_SUCCESS : show_failure(&err, NULL);
}
