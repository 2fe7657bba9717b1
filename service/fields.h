/* fields.h - reading a request's JSON: each field has a type and a range, and what is wrong with the first that has not
 * is told. A field that is null is one that is not there. */
#ifndef SERVICE_FIELDS_H
#define SERVICE_FIELDS_H

#include "service/exchange.h"

struct fields {
    const json_t *object;
    const char *param; /* the first that is wrong; NULL: none so far */
    char why[400];
};

struct fields fields_of(const json_t *object);
double field_number(struct fields *f, const char *name, double otherwise, double min, double max);
int64_t field_integer(struct fields *f, const char *name, int64_t otherwise, int64_t min, int64_t max);
bool field_flag(struct fields *f, const char *name, bool otherwise);
/** Terminated, without NUL within; as long as the object. */
const char *field_text(struct fields *f, const char *name, const char *otherwise);
/** NULL if it is not there. */
json_t *field_array(struct fields *f, const char *name);
json_t *field_object(struct fields *f, const char *name);
/** Whatever it is; NULL if it is not there. */
json_t *field_any(const struct fields *f, const char *name);
/** Tell that a field is wrong, if none was before. param is not copied. */
void field_wrong(struct fields *f, const char *param, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** Whether something is wrong; then that has been answered. */
bool fields_fail(const struct fields *f, infer_exchange *x);
/** "a string", "an array" ... */
const char *json_kind(const json_t *value);

#endif
