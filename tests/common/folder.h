/* folder.h - a folder of a test's own. Include cmocka.h first. */
#ifndef TESTS_COMMON_FOLDER_H
#define TESTS_COMMON_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

enum { FOLDER_ROOM = 64 };

/** Make an empty one. */
static inline void folder_make(char path[FOLDER_ROOM])
{
    snprintf(path, FOLDER_ROOM, "/tmp/infer-test-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static inline int folder_remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

/** Remove it, with all that is in it. */
static inline void folder_remove(const char *path)
{
    assert_int_equal(nftw(path, folder_remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
