/* grammars.h - grammars of many kinds, to walk about in. */
#ifndef TESTS_GRAMMARS_H
#define TESTS_GRAMMARS_H

#include "infer.h"

static const struct {
    infer_notation notation;
    const char *source;
} grammars[] = {
    { INFER_JSON_SCHEMA, "true" },
    { INFER_JSON_SCHEMA, "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":"
                         "\"integer\",\"minimum\":0,\"maximum\":130},"
                         "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":40},\"maxItems\":5}"
                         ",\"kind\":{\"enum\":[\"a\",\"bc\",\"bcd\"]},"
                         "\"note\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"},{\"$ref\":\"#\"}]}},"
                         "\"required\":[\"name\",\"kind\"],"
                         "\"additionalProperties\":false}" },
    { INFER_JSON_SCHEMA, "{\"type\":\"object\",\"properties\":{\"d\":{\"type\":\"string\",\"format\":\"date-time\"}},"
                         "\"additionalProperties\":{\"type\":\"number\"}}" },
    { INFER_GBNF, "root ::= (word [ .,!?\\n])+\nword ::= [a-zA-Z]+ | \"\\\"\" word \"\\\"\"" },
    { INFER_GBNF,
      "root ::= expr\nexpr ::= term ([-+*/] term)*\nterm ::= [0-9]+ | \"(\" expr \")\" | name\nname ::= [a-z]{1,3}" },
    { INFER_GBNF, "root ::= a | b\na ::= \"the \" c \" end\" | c\nb ::= c c \".\"\nc ::= [a-z ]+ | \"x\" c \"y\"" },
    { INFER_GBNF, "root ::= [^\\x00-\\x1f]* \"\\n\" \"\xe6\xbc\xa2\xe5\xad\x97\"? [\xce\xb1-\xcf\x89]+" },
    { INFER_REGEX, "(\\w+@\\w+\\.(com|org)(, )?){1,3}" },
    { INFER_REGEX, "[^\\n]{0,300}" },
    { INFER_REGEX, "[a-z ]{12,30}|[A-Z]{3,200}!+" },
    { INFER_JSON_SCHEMA, "{\"type\":\"string\",\"minLength\":20,\"maxLength\":1000}" },
    { INFER_JSON_SCHEMA, "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":90},\"maxItems\":9}" },
};

#endif
