/* context.h - threads and kernels: what the engine computes with. */
#ifndef ENGINE_CONTEXT_H
#define ENGINE_CONTEXT_H

#include "kernels/kernels.h"
#include "src/base/context.h"
#include "src/base/memory.h"
#include "src/base/pool.h"

#include <stdatomic.h>

struct infer_context {
    infer_allocator a;
    infer_log_fn *log;
    void *log_user;
    atomic_int n_owners;
    struct pool *pool;
    struct kernels kernels;
    bool huge_pages;
    infer_numa numa;
};

#endif
