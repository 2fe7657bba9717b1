/* fuzz_modelfile.c - any bytes as a Modelfile. */
#include "tools/common/modelfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every item has what modelfile.h says, and all texts end within the file's. */
static bool look(const struct modelfile *m, size_t size)
{
    size_t n_from = 0, sum = 0;
    for (size_t i = 0; i < m->n; i++) {
        const struct modelfile_item *item = &m->items[i];
        const bool has_path = item->kind == MODELFILE_FROM || item->kind == MODELFILE_ADAPTER;
        n_from += item->kind == MODELFILE_FROM;
        sum += strlen(item->name) + strlen(item->value);
        if ((item->path != NULL) != has_path || !item->line || (i && item->line < item[-1].line))
            return false;
        if (item->kind == MODELFILE_TEMPLATE && (unsigned)modelfile_language(item->value) > MODELFILE_PROMPT)
            return false;
    }
    return n_from == 1 && sum <= size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    infer_error err = { 0 };
    struct modelfile *m = modelfile_parse("folder/Modelfile", size ? (const char *)data : "", size, &err);
    if (m ? !look(m, size) : err.code == INFER_OK || !err.message[0])
        __builtin_trap();
    modelfile_close(&m);
    return 0;
}
