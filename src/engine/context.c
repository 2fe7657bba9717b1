/* context.c - threads, kernels, allocator and logger of a context. */
#include "src/engine/context.h"

#include "src/base/error.h"

#include <stdarg.h>
#include <stdio.h>

const infer_allocator *context_allocator(const infer_context *c)
{
    return &c->a;
}

void context_log(const infer_context *c, infer_log_level level, const char *format, ...)
{
    if (!c->log)
        return;
    char line[501];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    c->log(c->log_user, level, line);
}

infer_context *context_retain(infer_context *c)
{
    atomic_fetch_add(&c->n_owners, 1);
    return c;
}

/* A caller's struct may be shorter or longer than ours: fields it does not have keep their defaults. */
static infer_status read_options(infer_context_options *o, const infer_context_options *given, infer_error *err)
{
    *o = infer_context_defaults();
    if (given && given->size < sizeof given->size)
        return fail(err, INFER_E_ARGUMENT, "context options: size is %zu; start from infer_context_defaults()", given->size);
    if (given)
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    if (!o->allocator.alloc != !o->allocator.free)
        return fail(err, INFER_E_ARGUMENT, "context options: allocator has only one of alloc and free");
    if (o->numa != INFER_NUMA_NONE && o->numa != INFER_NUMA_DISTRIBUTE && o->numa != INFER_NUMA_ISOLATE)
        return fail(err, INFER_E_ARGUMENT, "context options: numa is %d, expected one of infer_numa", (int)o->numa);
    return INFER_OK;
}

static infer_status choose_level(enum cpu_level *level, const char *name, infer_error *err)
{
    *level = cpu_detect();
    if (!name || !*name)
        return INFER_OK;
    const int asked = cpu_level_find(name);
    if (asked < 0)
        return fail(err, INFER_E_ARGUMENT, "cpu is \"%.40s\", expected %s", name, cpu_level_list);
    if (asked > (int)*level)
        return fail(err, INFER_E_ARGUMENT, "cpu is \"%s\", but this machine's best is %s", name, cpu_level_name(*level));
    *level = (enum cpu_level)asked;
    return INFER_OK;
}

infer_context *infer_context_open(const infer_context_options *options, infer_error *err)
{
    infer_context_options o;
    enum cpu_level level;
    if (read_options(&o, options, err) != INFER_OK || choose_level(&level, o.cpu, err) != INFER_OK)
        return NULL;
    const infer_allocator a = o.allocator.alloc ? o.allocator : o.huge_pages ? mem_huge : mem_default;
    infer_context *c = mem_new(&a, 1, sizeof *c);
    if (!c)
        return fail_memory(err, "the context"), NULL;
    c->a = a;
    c->log = o.log;
    c->log_user = o.log_user;
    c->huge_pages = o.huge_pages;
    c->numa = o.numa;
    atomic_init(&c->n_owners, 1);
    kernels_init(&c->kernels, level);
    c->pool = pool_open_on(&c->a, o.n_threads, o.affinity, o.numa, err);
    if (!c->pool)
        infer_context_close(&c);
    return c;
}

void infer_context_close(infer_context **context)
{
    infer_context *c = *context;
    *context = NULL;
    if (!c || atomic_fetch_sub(&c->n_owners, 1) > 1)
        return;
    pool_close(&c->pool);
    const infer_allocator a = c->a;
    mem_free(&a, c);
}

const char *infer_context_cpu(const infer_context *c)
{
    return c->kernels.name;
}

int infer_context_threads(const infer_context *c)
{
    return pool_threads(c->pool);
}
