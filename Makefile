# libinfer. `make help` lists what can be asked for.
#   make run            install what is missing, build, and let the embedded model write
#   make test           install what is missing, build, and run every test
#   make SAN=address,undefined test   the same under sanitizers, in a build folder of its own

CC       ?= cc
AR       ?= ar
PREFIX   ?= /usr/local
BUILD    ?= build$(if $(SAN),/$(subst $(comma),-,$(SAN)))
comma    := ,
OPT      ?= -O3
WARN     := -Wall -Wextra -Werror
PKGS     := jansson libpcre2-8 libutf8proc
CPPFLAGS += -I. -Iinclude -D_GNU_SOURCE
CFLAGS   += -std=c11 $(OPT) -g $(WARN) -fPIC -fvisibility=hidden -pthread -MMD -MP \
            $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
LDFLAGS  += -pthread $(if $(SAN),-fsanitize=$(SAN))
LDLIBS   += $(shell pkg-config --libs $(PKGS) 2>/dev/null || echo -ljansson -lpcre2-8 -lutf8proc) -lm

version  := $(shell sed -n 's/^.define INFER_VERSION_M[AI][JN]OR //p;s/^.define INFER_VERSION_PATCH //p' include/infer.h)
MAJOR    := $(word 1,$(version))
VERSION  := $(word 1,$(version)).$(word 2,$(version)).$(word 3,$(version))

# A kernel folder is an instruction set; no other file gets its flags.
arch     := $(shell $(CC) -dumpmachine)
isas     := scalar $(if $(filter x86_64%,$(arch)),avx2 avx512)
sources  := $(wildcard src/*/*.c src/*/*/*.c kernels/*.c $(isas:%=kernels/%/*.c))
objects  := $(sources:%.c=$(BUILD)/%.o)
common   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/common/*.c))
programs := $(patsubst tools/%.c,$(BUILD)/%,$(wildcard tools/infer-*.c)) \
            $(patsubst examples/%.c,$(BUILD)/%,$(wildcard examples/infer-*.c)) \
            $(patsubst examples/%.c,$(BUILD)/examples/%,$(filter-out examples/infer-%,$(wildcard examples/*.c)))
tests    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/test_*.c tests/*/test_*.c))

.PHONY: all
all: $(BUILD)/libinfer.a $(BUILD)/libinfer.so.$(MAJOR) $(programs)

$(BUILD)/kernels/scalar/%.o: CFLAGS += -ffp-contract=off
$(BUILD)/kernels/avx2/%.o:   CFLAGS += -mavx2 -mfma -mf16c
$(BUILD)/kernels/avx512/%.o: CFLAGS += -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni \
                                       -mavx512bf16 -mavx512vbmi -mprefer-vector-width=512
$(BUILD)/tests/%.o: CPPFLAGS += -DINFER_SHARED='"$(abspath ../shared)"'

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/libinfer.a: $(objects)
	rm -f $@ && $(AR) rcs $@ $(objects)

$(BUILD)/libinfer.so.$(MAJOR): $(objects)
	$(CC) -shared $(LDFLAGS) -Wl,-soname,$(@F) -o $@ $(objects) $(LDLIBS)
	ln -sf $(@F) $(BUILD)/libinfer.so

$(BUILD)/infer-% $(BUILD)/examples/%: $(BUILD)/libinfer.a
$(BUILD)/infer-%: $(BUILD)/tools/infer-%.o $(common)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(BUILD)/libinfer.a $(LDLIBS)
$(BUILD)/infer-%: $(BUILD)/examples/infer-%.o $(common)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(BUILD)/libinfer.a $(LDLIBS)
$(BUILD)/examples/%: $(BUILD)/examples/%.o
	$(CC) $(LDFLAGS) -o $@ $< $(BUILD)/libinfer.a $(LDLIBS)
$(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/libinfer.a $(common)
	$(CC) $(LDFLAGS) -o $@ $< $(common) $(BUILD)/libinfer.a -lcmocka $(LDLIBS)

.PHONY: test
test: $(tests)
	@for t in $(tests); do $$t || exit 1; done

.PHONY: clean
clean:
	rm -rf build

.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
