/* kept.c - answers that later requests go on from.
 *
 * A record is a file of its own, written beside its place and then renamed, so that it is whole or not there. The order
 * of use survives a restart by the files' times. */
#include "service/kept.h"

#include "service/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_KEPT = 4096, MAX_MEMORY = 64 << 20, MAX_FILES = 512 << 20 };

struct kept_record {
    struct kept_record *next, *previous;
    size_t bytes;
    char *text;      /* NULL: in its file */
    struct timespec used; /* when files are found */
    char id[KEPT_ID_LENGTH + 1];
};

bool kept_is_id(const char *id)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    return !strncmp(id, "resp_", 5) && strspn(id + 5, letters) == KEPT_ID_LENGTH - 5 && !id[KEPT_ID_LENGTH];
}

/* ---- The list, under the lock ---- */

static struct kept_record *find(const struct kept *k, const char *id)
{
    struct kept_record *r = k->first;
    while (r && strcmp(r->id, id))
        r = r->next;
    return r;
}

static void take_out(struct kept *k, struct kept_record *r)
{
    *(r->previous ? &r->previous->next : &k->first) = r->next;
    *(r->next ? &r->next->previous : &k->last) = r->previous;
    k->n--;
    k->bytes -= r->bytes;
}

/* Before another one; NULL: at the end. */
static void put_before(struct kept *k, struct kept_record *r, struct kept_record *next)
{
    r->next = next;
    r->previous = next ? next->previous : k->last;
    *(r->previous ? &r->previous->next : &k->first) = r;
    *(next ? &next->previous : &k->last) = r;
    k->n++;
    k->bytes += r->bytes;
}

static void path_of(const struct kept *k, const char *name, const char *end, struct text *path)
{
    text_printf(path, "%s/%s%s", k->folder, name, end);
}

/* With its file. */
static void drop(struct kept *k, struct kept_record *r)
{
    take_out(k, r);
    if (k->folder) {
        struct text path = { 0 };
        path_of(k, r->id, ".json", &path);
        unlink(text_string(&path));
        text_free(&path);
    }
    free(r->text);
    free(r);
}

/* ---- Files ---- */

static bool write_file(const struct kept *k, const char *id, const char *text, size_t n)
{
    struct text path = { 0 }, beside = { 0 };
    path_of(k, id, ".json", &path);
    path_of(k, id, ".new", &beside);
    const int file = path.failed || beside.failed ? -1 : open(beside.v, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t done = 0;
    for (ssize_t now = 1; file >= 0 && done < n && now > 0; done += now > 0 ? (size_t)now : 0)
        now = write(file, text + done, n - done);
    const bool good = file >= 0 && close(file) == 0 && done == n && rename(beside.v, path.v) == 0;
    if (file >= 0 && !good)
        unlink(beside.v);
    text_free(&path);
    text_free(&beside);
    return good;
}

/* Its time tells that it was used. */
static json_t *read_file(const struct kept *k, const char *id)
{
    struct text path = { 0 };
    path_of(k, id, ".json", &path);
    json_t *const record = path.failed ? NULL : json_load_file(path.v, JSON_ALLOW_NUL, NULL);
    if (record)
        utimensat(AT_FDCWD, path.v, NULL, 0);
    text_free(&path);
    return record;
}

static bool later(const struct kept_record *a, const struct kept_record *b)
{
    return a->used.tv_sec != b->used.tv_sec ? a->used.tv_sec > b->used.tv_sec : a->used.tv_nsec > b->used.tv_nsec;
}

static int by_use(const void *a, const void *b)
{
    const struct kept_record *const *const x = a, *const *const y = b;
    return later(*x, *y) ? -1 : later(*y, *x);
}

/* A record for a file of the folder; NULL: it is none. */
static struct kept_record *found(const struct kept *k, const char *name)
{
    struct kept_record *const r = calloc(1, sizeof *r);
    struct text path = { 0 };
    struct stat about;
    path_of(k, name, "", &path);
    const size_t n = strlen(name);
    bool good = r && n == KEPT_ID_LENGTH + 5 && !strcmp(name + KEPT_ID_LENGTH, ".json") && !path.failed &&
                stat(path.v, &about) == 0 && S_ISREG(about.st_mode);
    text_free(&path);
    if (good) {
        memcpy(r->id, name, KEPT_ID_LENGTH);
        good = kept_is_id(r->id);
        r->bytes = (size_t)about.st_size;
        r->used = about.st_mtim;
    }
    if (!good)
        free(r);
    return good ? r : NULL;
}

/* What is there from before, in the order of its use. */
static void find_files(struct kept *k)
{
    DIR *const folder = opendir(k->folder);
    struct kept_record **all = NULL;
    size_t n = 0, max = 0;
    for (const struct dirent *entry; folder && (entry = readdir(folder));) {
        struct kept_record *const r = found(k, entry->d_name);
        if (!r)
            continue;
        if (n == max) {
            struct kept_record **const more = realloc(all, (max = 2 * max + 64) * sizeof *more);
            if (!more) {
                free(r);
                break;
            }
            all = more;
        }
        all[n++] = r;
    }
    if (folder)
        closedir(folder);
    if (n)
        qsort(all, n, sizeof *all, by_use);
    for (size_t i = 0; i < n; i++)
        put_before(k, all[i], NULL);
    free(all);
    while (k->last && (k->n > k->max || k->bytes > k->max_bytes))
        drop(k, k->last);
}

/* ---- Opening and closing ---- */

bool kept_open(struct kept *k, const char *state_dir)
{
    struct text folder = { 0 };
    pthread_mutex_init(&k->lock, NULL);
    k->max = MAX_KEPT;
    k->max_bytes = state_dir ? MAX_FILES : MAX_MEMORY;
    if (!state_dir)
        return true;
    text_printf(&folder, "%s/responses", state_dir);
    k->folder = folder.v;
    if (folder.failed)
        return false;
    mkdir(state_dir, 0700);
    mkdir(k->folder, 0700); /* where that fails, so will the first file */
    find_files(k);
    return true;
}

void kept_close(struct kept *k)
{
    if (!k->max)
        return;
    for (struct kept_record *r = k->first, *next; r; r = next) {
        next = r->next;
        free(r->text);
        free(r);
    }
    free(k->folder);
    pthread_mutex_destroy(&k->lock);
    *k = (struct kept){ 0 };
}

/* ---- Records ---- */

bool kept_put(struct kept *k, const char *id, const json_t *record)
{
    char *text = json_dumps(record, JSON_COMPACT);
    const size_t n = text ? strlen(text) : 0;
    struct kept_record *const r = calloc(1, sizeof *r);
    const bool good = text && r && kept_is_id(id) && n <= k->max_bytes / 4 &&
                      (!k->folder || write_file(k, id, text, n));
    if (!good) {
        free(text);
        free(r);
        return false;
    }
    memcpy(r->id, id, KEPT_ID_LENGTH);
    r->bytes = n;
    if (!k->folder)
        r->text = text;
    else
        free(text);
    pthread_mutex_lock(&k->lock);
    put_before(k, r, k->first);
    while (k->n > k->max || k->bytes > k->max_bytes)
        drop(k, k->last);
    pthread_mutex_unlock(&k->lock);
    return true;
}

json_t *kept_get(struct kept *k, const char *id)
{
    json_t *record = NULL;
    if (!kept_is_id(id))
        return NULL;
    pthread_mutex_lock(&k->lock);
    struct kept_record *const r = find(k, id);
    if (r) {
        take_out(k, r);
        put_before(k, r, k->first);
        record = r->text ? json_loadb(r->text, r->bytes, JSON_ALLOW_NUL, NULL) : read_file(k, id);
    }
    pthread_mutex_unlock(&k->lock);
    return record;
}

bool kept_remove(struct kept *k, const char *id)
{
    if (!kept_is_id(id))
        return false;
    pthread_mutex_lock(&k->lock);
    struct kept_record *const r = find(k, id);
    if (r)
        drop(k, r);
    pthread_mutex_unlock(&k->lock);
    return r;
}

