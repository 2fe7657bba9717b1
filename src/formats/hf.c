/* hf.c - Hugging Face model directories: config.json, tokenizer.json and SafeTensors in one file or in shards. */
#include "src/formats/json.h"

#include <stdio.h>

struct opening {
    struct weights *w;
    struct text directory;
    infer_error *err;
};

/* "DIR/NAME" in the arena, or NULL and an error. */
static char *path_of(struct opening *o, const char *name)
{
    const size_t n = strlen(name);
    const bool slash = text_ends(o->directory, "/");
    char *path = arena_new(&o->w->arena, o->directory.n + n + 2, 1);
    if (!path) {
        fail_memory(o->err, "a path");
        return NULL;
    }
    memcpy(path, o->directory.p, o->directory.n);
    memcpy(path + o->directory.n, "/", !slash);
    memcpy(path + o->directory.n + !slash, name, n + 1);
    return path;
}

/* The path of a file of the directory, NULL if it is not there. */
static infer_status find(struct opening *o, const char *name, const char **path)
{
    *path = path_of(o, name);
    if (!*path)
        return INFER_E_NOMEM;
    if (path_kind(*path) != 'f')
        *path = NULL;
    return INFER_OK;
}

/* Read one of the JSON files; one that is not there has no entries. */
static infer_status read_config(struct opening *o, const char *name, const char *prefix)
{
    const char *path;
    struct mapping m;
    infer_status status = find(o, name, &path);
    if (status != INFER_OK || !path || (status = map_open(&m, path, o->err)) != INFER_OK)
        return status;
    status = config_parse(o->w, (struct text){ (const char *)m.data, m.size }, prefix, o->err);
    map_close(&m);
    return status == INFER_OK ? status : (fail_prefix(o->err, path), status);
}

/* Map a file that is used as it stands; nothing if it is not there. */
static infer_status map_text(struct opening *o, const char *name, struct text *t)
{
    const char *path;
    struct mapping m;
    infer_status status = find(o, name, &path);
    if (status == INFER_OK && path && (status = weights_map(o->w, path, &m, o->err)) == INFER_OK)
        *t = (struct text){ m.size ? (const char *)m.data : "", m.size };
    return status;
}

/* A chat template in a file of its own goes before the one in tokenizer_config.json. */
static infer_status read_tokenizer(struct opening *o)
{
    struct text chat = { NULL, 0 };
    infer_status status = map_text(o, "tokenizer.json", &o->w->tokenizer_json);
    if (status == INFER_OK)
        status = map_text(o, "chat_template.jinja", &chat);
    if (status == INFER_OK && chat.p) {
        const struct text key = text_of("tokenizer_config.chat_template");
        const struct meta m = { .key = key, .type = META_STRING, .value.s = chat };
        status = weights_add_meta(o->w, &m, o->err);
    }
    return status == INFER_OK ? read_config(o, "tokenizer_config.json", "tokenizer_config.") : status;
}

static infer_status read_tensor_file(struct opening *o, const char *path)
{
    struct mapping m;
    infer_status status = path ? weights_map(o->w, path, &m, o->err) : INFER_E_NOMEM;
    if (status != INFER_OK)
        return status;
    status = safetensors_parse(o->w, m.data, m.size, o->err);
    return status == INFER_OK ? status : (fail_prefix(o->err, path), status);
}

/* A name that cannot lead out of the directory. */
static bool is_plain_name(const char *name)
{
    return *name && *name != '.' && !strpbrk(name, "/\\") && text_is_clean(text_of(name));
}

/* What sentence-transformers keeps beside the model: how vectors of texts are made of it. */
static infer_status read_modules(struct opening *o)
{
    struct text json = { NULL, 0 }, folder;
    infer_status status = map_text(o, "modules.json", &json);
    if (status != INFER_OK || !json.p)
        return status;
    if ((status = modules_parse(o->w, json, o->err)) != INFER_OK)
        return fail_prefix(o->err, "modules.json"), fail_prefix(o->err, o->w->path);
    static const struct {
        const char *key, *prefix; /* of its settings, and of its tensors */
        bool tensors;
    } modules[] = { { "modules.Pooling", "pooling.", false },
                    { "modules.Dense", "dense.0.", true },
                    { "modules.Dense.1", "dense.1.", true } };
    for (size_t i = 0; i < sizeof modules / sizeof *modules && status == INFER_OK; i++) {
        char file[256];
        if (meta_get_text(o->w, modules[i].key, &folder, o->err) != META_FOUND)
            continue;
        if (!is_plain_name(folder.p) || folder.n + sizeof "/model.safetensors" > sizeof file)
            return fail(o->err, INFER_E_FORMAT,
                        "%s: modules.json: the path \"%s\", expected a folder of this directory", o->w->path,
                        quote(folder).s);
        snprintf(file, sizeof file, "%s/config.json", folder.p);
        status = read_config(o, file, modules[i].prefix);
        snprintf(file, sizeof file, "%s/model.safetensors", folder.p);
        o->w->tensor_prefix = modules[i].prefix;
        if (status == INFER_OK && modules[i].tensors)
            status = read_tensor_file(o, path_of(o, file));
        o->w->tensor_prefix = NULL;
    }
    return status == INFER_OK ? read_config(o, "sentence_bert_config.json", "sentence_bert_config.") : status;
}

/* Open every file that weight_map names, once; its number among the mappings is the value in `files`. */
static infer_status open_shards(struct opening *o, const json_t *map, struct table *files)
{
    const char *name;
    const json_t *file;
    json_object_foreach((json_t *)(uintptr_t)map, name, file) {
        const struct text t = { json_string_value(file), json_string_length(file) };
        if (!t.p || memchr(t.p, 0, t.n) || !is_plain_name(t.p))
            return fail(o->err, INFER_E_FORMAT, "weight_map: \"%s\" is in \"%s\", expected a file of this directory",
                        quote(text_of(name)).s, quote(t).s);
        switch (table_add(files, t, (uint32_t)o->w->n_maps)) {
        case TABLE_THERE: continue;
        case TABLE_NOMEM: return fail_memory(o->err, "the list of shards");
        case TABLE_ADDED: break;
        }
        const infer_status status = read_tensor_file(o, path_of(o, t.p));
        if (status != INFER_OK)
            return status;
    }
    return INFER_OK;
}

/* Every tensor that weight_map names must be in the file that it names. */
static infer_status check_shards(struct opening *o, const json_t *map, const struct table *files)
{
    const char *name;
    const json_t *file;
    json_object_foreach((json_t *)(uintptr_t)map, name, file) {
        uint32_t i = 0;
        const struct text t = { json_string_value(file), json_string_length(file) };
        table_find(files, t, &i);
        const struct mapping *m = &o->w->maps[i];
        const struct tensor *tensor = weights_tensor(o->w, text_of(name));
        if (!tensor || (uintptr_t)tensor->data - (uintptr_t)m->data > m->size)
            return fail(o->err, INFER_E_FORMAT, "weight_map: \"%s\" is not in \"%s\"", quote(text_of(name)).s,
                        quote(t).s);
    }
    return INFER_OK;
}

static infer_status read_index(struct opening *o, const char *path)
{
    struct mapping m;
    infer_status status = map_open(&m, path, o->err);
    if (status != INFER_OK)
        return status;
    bool reals;
    json_t *root = json_read((struct text){ (const char *)m.data, m.size }, &reals, o->err);
    map_close(&m);
    if (!root)
        return fail_prefix(o->err, path);
    const json_t *map = json_object_get(root, "weight_map");
    struct table files;
    table_init(&files, o->w->a);
    if (!json_object_size(map))
        status = fail(o->err, INFER_E_FORMAT, "no weight_map, expected an object with the file of each tensor");
    else if ((status = open_shards(o, map, &files)) == INFER_OK)
        status = check_shards(o, map, &files);
    table_free(&files);
    json_decref(root);
    return status == INFER_OK ? status : (fail_prefix(o->err, path), status);
}

/* In the order of the libraries that wrote them: one file goes before shards. */
static infer_status read_weights(struct opening *o)
{
    enum { SINGLE, INDEX, TORCH, TORCH_INDEX, N };
    static const char *const names[N] = { "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                          "pytorch_model.bin.index.json" };
    const char *paths[N];
    for (int i = 0; i < N; i++)
        if (find(o, names[i], &paths[i]) != INFER_OK)
            return INFER_E_NOMEM;
    if (paths[SINGLE])
        return read_tensor_file(o, paths[SINGLE]);
    if (paths[INDEX])
        return read_index(o, paths[INDEX]);
    return fail(o->err, INFER_E_IO, "%s: neither %s nor %s is there%s", o->w->path, names[SINGLE], names[INDEX],
                paths[TORCH] || paths[TORCH_INDEX]
                    ? ", only pytorch_model.bin, which is not read: convert it to SafeTensors" : "");
}

static infer_status read_all(struct opening *o, const char *file, bool vocabulary_only)
{
    const char *config;
    infer_status status = find(o, "config.json", &config);
    if (status == INFER_OK && !config && !vocabulary_only)
        return fail(o->err, INFER_E_IO, "%s: no config.json, expected a Hugging Face model's directory", o->w->path);
    if (status == INFER_OK)
        status = read_config(o, "config.json", "");
    if (status == INFER_OK) /* older GPTQ checkpoints say it apart */
        status = read_config(o, "quantize_config.json", "quantization_config.");
    if (status == INFER_OK)
        status = read_config(o, "generation_config.json", "generation_config.");
    if (status == INFER_OK)
        status = read_tokenizer(o);
    if (status == INFER_OK && !vocabulary_only)
        status = read_modules(o);
    if (status != INFER_OK || vocabulary_only)
        return status;
    return file ? read_tensor_file(o, path_of(o, file)) : read_weights(o);
}

static infer_status read_adapter(struct opening *o, const char *file)
{
    static const char config[] = "adapter_config.json", tensors[] = "adapter_model.safetensors";
    const char *paths[2];
    infer_status status = find(o, config, &paths[0]);
    if (status == INFER_OK)
        status = find(o, file ? file : tensors, &paths[1]);
    for (int i = 0; i < 2 && status == INFER_OK; i++)
        if (!paths[i])
            status = fail(o->err, INFER_E_IO, "%s: no %s, expected the directory of a PEFT adapter", o->w->path,
                          i ? tensors : config);
    if (status == INFER_OK)
        status = read_config(o, config, "");
    return status == INFER_OK ? read_tensor_file(o, paths[1]) : status;
}

/* Empty weights; the directory of `path`, and the file that it names in it, or NULL. */
static bool begin(struct opening *o, const infer_allocator *a, const char *path, const char **file)
{
    const char *slash = strrchr(path, '/');
    *file = NULL;
    o->directory = text_of(path);
    if (path_kind(path) != 'd') {
        o->directory = slash ? (struct text){ path, (size_t)(slash - path) + (slash == path) } : text_of(".");
        *file = slash ? slash + 1 : path;
    }
    return (o->w = weights_new(a, path, WEIGHTS_HF, o->err)) != NULL;
}

struct weights *hf_open(const infer_allocator *a, const char *path, bool vocabulary_only, infer_error *err)
{
    infer_error own; /* so that there is always one to take the code from */
    struct opening o = { .err = err ? err : &own };
    const char *file;
    struct split_name shard;
    if (begin(&o, a, path, &file) &&
        read_all(&o, file && split_name_parse(path, ".safetensors", &shard) ? NULL : file, vocabulary_only) != INFER_OK)
        weights_close(&o.w);
    return o.w;
}

struct weights *hf_open_adapter(const infer_allocator *a, const char *path, infer_error *err)
{
    infer_error own;
    struct opening o = { .err = err ? err : &own };
    const char *file;
    if (begin(&o, a, path, &file) && read_adapter(&o, file) != INFER_OK)
        weights_close(&o.w);
    return o.w;
}
