/* adapters.h - the adapters of a session, which its forks share. */
#ifndef RUNTIME_ADAPTERS_H
#define RUNTIME_ADAPTERS_H

#include "src/adapters/adapter.h"

struct adapter_set {
    const infer_allocator *a;
    atomic_uint refs;
    struct adaptation how;
    uint64_t identity;
    size_t n;
    infer_adapter *held[]; /* n */
};

/** Of n adapters for a model, checked. NULL: none changes anything; or there is an error, with its status. */
struct adapter_set *adapter_set_open(const infer_model *m, infer_adapter *const *adapters, const float *scales,
                                     size_t n, infer_status *status, infer_error *err);
/** NULL is the set of none: it can be retained, released and asked for its identity, which is 0. */
struct adapter_set *adapter_set_retain(struct adapter_set *set);
void adapter_set_release(struct adapter_set *set);
/** Equal only if what is computed with the sets is: of what each adapter does, its scale, and their order. */
uint64_t adapter_set_identity(const struct adapter_set *set);
/** INFER_E_IO if an adapter's file was cut off. */
infer_status adapter_set_intact(const struct adapter_set *set, infer_error *err);

#endif
