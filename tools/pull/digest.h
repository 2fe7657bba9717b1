/* digest.h - checksums by which a hub names files: SHA-256 of large ones, and git's SHA-1 of a blob of small ones. */
#ifndef TOOLS_PULL_DIGEST_H
#define TOOLS_PULL_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_HEX = 65 }; /* bytes of the longest as hexadecimal digits, with the 0 at the end */

struct digest;

/** For a file of `size` bytes whose name in the cache is `blob`: 64 hexadecimal digits are a SHA-256, 40 git's SHA-1.
 *  Of other names nothing is known to check; then, as for want of memory, it is NULL, which the others accept. */
struct digest *digest_open(const char *blob, uint64_t size);
void digest_add(struct digest *d, const void *data, size_t n);
/** What has been added, as lower-case digits. */
void digest_end(struct digest *d, char hex[DIGEST_HEX]);
void digest_close(struct digest **d);

/** Whether a name is a checksum that digest_open() knows. */
bool digest_is_known(const char *blob);
/** SHA-256 of a text. */
bool digest_text(const char *text, size_t n, char hex[DIGEST_HEX]);

#endif
