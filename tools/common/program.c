/* program.c - what the command-line programs share. */
#include "tools/common/program.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

struct program_machine program_machine;

static void print_log(void *user, infer_log_level level, const char *line)
{
    const infer_log_level *most = user;
    if (level <= *most)
        fprintf(stderr, "%s%s\n", level == INFER_LOG_ERROR ? "error: " : level == INFER_LOG_WARN ? "warning: " : "",
                line);
}

infer_context *program_context(int n_threads, infer_log_level level, infer_error *err)
{
    static infer_log_level most; /* lives as long as the context */
    most = level;
    infer_context_options o = infer_context_defaults();
    o.n_threads = n_threads;
    o.cpu = getenv("INFER_CPU");
    if (o.cpu && !*o.cpu)
        o.cpu = NULL;
    o.log = program_machine.log ? program_machine.log : print_log;
    o.log_user = &most;
    o.affinity = program_machine.affinity;
    o.numa = (infer_numa)program_machine.numa;
    o.huge_pages = program_machine.huge_pages;
    return infer_context_open(&o, err);
}

static const char *model_path(const char *path)
{
    return path ? path : getenv("INFER_MODEL");
}

bool program_model_is_embedded(const char *path)
{
    path = model_path(path);
    return !path || !*path;
}

infer_model_options program_model_options(void)
{
    infer_model_options o = infer_model_defaults();
    o.no_mmap = program_machine.no_mmap;
    o.lock = program_machine.lock;
    o.on_read = program_machine.on_read;
    o.user = program_machine.user;
    o.quantize = program_machine.quantize;
    o.importance = program_machine.importance;
    o.requantize = program_machine.requantize;
    return o;
}

infer_model *program_model(infer_context *context, const char *path, infer_error *err)
{
    const infer_model_options o = program_model_options();
    return program_model_is_embedded(path) ? infer_model_open_default(context, &o, err)
                                           : infer_model_open(context, model_path(path), &o, err);
}

/* ---- Files ---- */

static char *fail_read(char *text, const char *name, const char *why, infer_error *err)
{
    free(text);
    if (err) {
        err->code = INFER_E_IO;
        snprintf(err->message, sizeof err->message, "%s cannot be read: %s", name, why);
    }
    return NULL;
}

char *read_stream(FILE *stream, const char *name, size_t *length, infer_error *err)
{
    char *text = NULL;
    size_t room = 0;
    *length = 0;
    do {
        if (room - *length < 2) {
            room = room ? room * 2 : 4096;
            char *more = realloc(text, room);
            if (!more)
                return fail_read(text, name, "out of memory", err);
            text = more;
        }
        *length += fread(text + *length, 1, room - *length - 1, stream);
    } while (!feof(stream) && !ferror(stream));
    if (ferror(stream))
        return fail_read(text, name, strerror(errno), err);
    text[*length] = 0;
    return text;
}

char *read_file(const char *path, size_t *length, infer_error *err)
{
    if (!strcmp(path, "-"))
        return read_stream(stdin, "standard input", length, err);
    FILE *f = fopen(path, "rb");
    if (!f)
        return fail_read(NULL, path, strerror(errno), err);
    struct stat s;
    char *text = fstat(fileno(f), &s) == 0 && S_ISDIR(s.st_mode) ? fail_read(NULL, path, "it is a directory", err)
                                                               : read_stream(f, path, length, err);
    fclose(f);
    return text;
}

char *read_given(const char *given, char first, size_t *length, infer_error *err)
{
    if (given[strspn(given, " \t\r\n")] != first)
        return read_file(given, length, err);
    char *text = strdup(given);
    *length = strlen(given);
    return text ? text : fail_read(NULL, "what is given", "out of memory", err);
}

/* ---- Text ---- */

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *digit = c ? strchr(digits, c) : NULL;
    return digit ? (int)((digit - digits) % 16) : -1;
}

char *unescape(const char *text, size_t *length)
{
    static const char names[] = "ntr\"'\\", values[] = "\n\t\r\"'\\";
    char *out = malloc(strlen(text) + 1);
    size_t n = 0;
    for (const char *p = text; out && *p;) {
        const char *name = p[0] == '\\' && p[1] ? strchr(names, p[1]) : NULL;
        if (name) {
            out[n++] = values[name - names];
            p += 2;
        } else if (p[0] == '\\' && p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
            out[n++] = (char)(hex_digit(p[2]) << 4 | hex_digit(p[3]));
            p += 4;
        } else {
            out[n++] = *p++;
        }
    }
    if (out)
        out[n] = 0;
    *length = n;
    return out;
}

/* ---- Figures ---- */

void program_kv_types(infer_session_options *session, const struct kv_options *kv)
{
    session->kv_type_k = (infer_kv_type)(kv->keys ? kv->keys : kv->both);
    session->kv_type_v = (infer_kv_type)(kv->values ? kv->values : kv->both);
}

const char *kv_type_name(infer_kv_type type)
{
    static const char *const names[] = { "default", "f32", "f16", "bf16", "q8_0", "q4_0" };
    return names[type];
}

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

size_t peak_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (size_t)usage.ru_maxrss * 1024 : 0;
}

size_t huge_bytes(void)
{
    size_t kilobytes = 0;
    char line[256];
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "AnonHugePages: %zu", &kilobytes) != 1)
        ;
    if (f)
        fclose(f);
    return kilobytes * 1024;
}

const char *human_bytes(double bytes)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
    static char text[4][32];
    static unsigned at;
    size_t unit = 0;
    for (; bytes >= 999.5 && unit < 4; unit++)
        bytes /= 1000;
    char *out = text[at++ % 4];
    snprintf(out, sizeof text[0], unit && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return out;
}
