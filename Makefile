# libinfer. `make help` lists what can be asked for; `make V=1` shows every command.

CC       ?= cc
CXX      ?= c++
AR       ?= ar
CFLAGS   ?= $(if $(SAN),-O1 -g1,-O3 -g)
PREFIX   ?= /usr/local
BINDIR   ?= $(PREFIX)/bin
LIBDIR   ?= $(PREFIX)/lib
MANDIR   ?= $(PREFIX)/share/man
comma    := ,
BUILD    ?= build$(if $(SAN),/$(subst $(comma),-,$(SAN)))
export INFER_SHARED ?= $(abspath ../shared)

packages := jansson libpcre2-8 libutf8proc
cppflags := -I. -Iinclude -D_GNU_SOURCE $(CPPFLAGS)
# In code that sanitizers have instrumented gcc suspects values that are fine: warnings are no errors there.
cflags   := -std=c11 -Wall -Wextra $(if $(SAN),,-Werror) -fPIC -fvisibility=hidden -pthread -MMD -MP \
            $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer) $(CFLAGS)
ldflags  := -pthread $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
ldlibs   := $(shell pkg-config --libs $(packages) 2>/dev/null) $(LDLIBS) -lm

version  := $(shell sed -n 's/^.define INFER_VERSION_[MP][A-Z]* //p' include/infer.h)
MAJOR    := $(word 1,$(version))
VERSION  := $(word 1,$(version)).$(word 2,$(version)).$(word 3,$(version))

# A kernel folder is an instruction set; no other file gets its flags. A file whose name ends in a feature that not all
# machines of the set have gets that one too.
machine  := $(shell $(CC) -dumpmachine 2>/dev/null)
isas     := scalar $(if $(filter x86_64%,$(machine)),avx2 avx512 amx) \
            $(if $(filter aarch64%,$(machine)),neon dotprod i8mm)
$(BUILD)/kernels/scalar/%.o $(BUILD)/src/quantize/%.o: isa := -ffp-contract=off
avx2     := -mavx2 -mfma -mf16c
$(BUILD)/kernels/avx2/%.o:   isa := $(avx2)
$(BUILD)/kernels/avx2/%_vnni.o: isa := $(avx2) -mavxvnni
avx512   := $(avx2) -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mprefer-vector-width=512
$(BUILD)/kernels/avx512/%.o: isa := $(avx512)
$(BUILD)/kernels/avx512/%_bf16.o: isa := $(avx512) -mavx512bf16
$(BUILD)/kernels/avx512/%_vbmi.o: isa := $(avx512) -mavx512vbmi
amx      := -ffp-contract=off $(avx512) -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16
$(BUILD)/kernels/amx/%.o:    isa := $(amx)
$(BUILD)/kernels/dotprod/%.o $(BUILD)/benches/limits/dotprod.o: isa := -march=armv8.2-a+dotprod
$(BUILD)/kernels/i8mm/%.o $(BUILD)/benches/limits/i8mm.o:       isa := -march=armv8.2-a+dotprod+i8mm+bf16
$(BUILD)/benches/limits/avx2.o:   isa := $(avx2)
$(BUILD)/benches/limits/avx512.o: isa := $(avx512)
$(BUILD)/benches/limits/amx.o:    isa := $(amx)
$(BUILD)/tests/kernels/test_avx_vnni_%.o: isa := $(if $(filter avx2,$(isas)),$(avx2))
$(BUILD)/tests/kernels/test_amx.o: isa := $(if $(filter amx,$(isas)),-ffp-contract=off $(avx512))
# OPENBLAS=1 has its products measured beside ours, 0 not; by default where it is installed.
OPENBLAS ?= $(shell pkg-config --exists openblas 2>/dev/null && echo 1)
openblas := $(filter-out 0,$(OPENBLAS))
$(BUILD)/benches/inference/%.o:   isa := -DTINY_MODEL='"$(BUILD)/benches/tiny.gguf"'
$(BUILD)/benches/embeddings/%.o:  isa := -DMINILM_MODEL='"$(BUILD)/benches/minilm.gguf"'
$(BUILD)/benches/tensor_ops/%.o:  isa := $(if $(openblas),-DHAVE_OPENBLAS $(shell pkg-config --cflags openblas))
# What sanitizers ask about each address is half of the time that kernels take to compile, and to run. Whether memory
# lies there, an index is within its array, a shift or a sum within its type, stays asked. Threads divide the work alike
# for each instruction set: whether they meet is asked in the scalar one. Made-up files are for those who read them.
vectors  := $(foreach i,$(filter-out scalar,$(isas)),$(BUILD)/kernels/$i/%.o)
$(if $(filter thread,$(SAN)),$(vectors),$(BUILD)/kernels/%.o): unasked := \
    $(if $(SAN),$(if $(filter thread,$(SAN)),-fno-sanitize=thread,$(if $(findstring fuzzer,$(SAN)),-fno-sanitize=all, \
        -fno-sanitize-address-use-after-scope $(addprefix -fno-sanitize=,null alignment object-size pointer-overflow))))
$(BUILD)/tests/%.o:          isa := -DINFER_SHARED='"$(INFER_SHARED)"'

object    = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $1))
objects  := $(call object,src/*/*.c src/*/*/*.c kernels/*.c $(isas:%=kernels/%/*.c))
common   := $(call object,tools/common/*.c)
limits   := $(call object,benches/limits/limits.c $(isas:%=benches/limits/%.c))
pull     := $(call object,tools/pull/*.c)
network  := $(shell pkg-config --libs libcurl libcrypto 2>/dev/null)
bench    := $(limits) $(call object,tools/bench/*.c)
http     := $(shell pkg-config --libs libmicrohttpd libcrypto inih 2>/dev/null) -lwslay
server   := $(call object,server/*.c server/*/*.c)
suites   := tensor_ops inference cache pool tokenizer grammar embeddings speculation
suite     = $(call object,benches/$1/*.c)
tools    := $(patsubst tools/%.c,$(BUILD)/%,$(wildcard tools/infer-*.c))
examples := $(patsubst %.c,$(BUILD)/%,$(wildcard examples/*.c))
tests    := $(basename $(call object,tests/test_*.c tests/*/test_*.c))
scripts  := $(wildcard tests/*/test_*.sh)
fuzzers  := $(basename $(call object,tests/fuzz/fuzz_*.c))
for_arm  := tests/kernels/test_aarch64.sh tests/benches/test_instructions.sh
bare     := $(BUILD)/bare/test_kernels $(BUILD)/bare/test_vector
archive  := $(BUILD)/internal.a
library  := $(BUILD)/libinfer.a
shared   := $(BUILD)/libinfer.so.$(MAJOR)
service  := $(BUILD)/libinfer-service.a
pkgconfig := $(BUILD)/libinfer.pc $(BUILD)/libinfer-service.pc

## all: the library, static and shared, the programs and what pkg-config reads, in build/ (the default)
.PHONY: all
all: $(library) $(shared) $(service) $(pkgconfig) $(tools) $(BUILD)/infer-server $(examples)

## run: install what is missing, build, and let the embedded model write; ARGS='-p "The fox" -n 100' go to infer-run
.PHONY: run
run:
	@scripts/setup >&2
	+@$(parallel) all >&2
	@$(BUILD)/infer-run $(ARGS)

## test: install what is missing, build, and run every test; T='pool map' only those with such a word in their name
T ?= test
.PHONY: test test-threads test-built
test:
	@CC='$(CC)' scripts/setup test
	+@$(parallel) test-built
named     = $(strip $(foreach t,$1,$(if $(strip $(foreach word,$T,$(findstring $(word),$t))),$t)))
wanted   := $(call named,$(tests) $(scripts))
benched  := $(if $(SAN),,$(if $(filter tests/benches/%,$(wanted)),$(shell pkg-config --exists benchmark 2>/dev/null && echo yes)))
test-built: all $(filter $(BUILD)/%,$(wanted)) $(BUILD)/tests/server/fake-server $(BUILD)/scripts/list-models \
            $(if $(benched),bench-programs) $(if $(SAN),,$(if $(call named,$(for_arm)),bare-aarch64))
	@BUILD=$(BUILD) SAN=$(SAN) CC='$(CC)' tests/run $(wanted)

## test-threads: the tests that compute on several threads; meant for SAN=thread
shells   := $(patsubst %,tests/server/test_%.sh,requests robustness patience malformed websockets encryption signals)
threaded := $(shell grep -lE 'pthread_|n_threads|pool_' $(wildcard tests/test_*.c tests/*/test_*.c) /dev/null)
test-threads:
	@CC='$(CC)' scripts/setup test
	+@$(parallel) all $(threaded:%.c=$(BUILD)/%) $(BUILD)/tests/server/fake-server
	@BUILD=$(BUILD) SAN=$(SAN) tests/run $(threaded:%.c=$(BUILD)/%) $(filter tests/examples/%,$(scripts)) $(shells)

## bench: install what is missing, build, measure; SUITE=tensor_ops ARGS='--table --benchmark_filter=q4_0'
.PHONY: bench bench-programs
bench:
	@CC='$(CC)' scripts/setup bench $(if $(openblas),openblas)
	+@$(parallel) bench-programs
	@$(foreach s,$(or $(SUITE),$(suites)),echo "$s:" && $(BUILD)/bench_$s $(foreach a,$(ARGS),'$a') &&) true
bench-programs: $(suites:%=$(BUILD)/bench_%) $(BUILD)/bench_requests $(BUILD)/bench_serving

## python: the wheel of the Python package, in build/python
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
.PHONY: python python-built
python:
	@CC='$(CC)' scripts/setup python
	+@$(parallel) python-built
python-built: $(library)
	@CC='$(CC)' BUILD='$(BUILD)' $(PYTHON) bindings/python/backend.py $(BUILD)/python

## bare: the tests of the kernels linked statically, without a library: CC=aarch64-linux-gnu-gcc makes them for ARM
.PHONY: bare bare-aarch64
bare: $(bare)
aarch64 = $(if $(findstring clang,$(CC)),$(CC) --target=aarch64-linux-gnu,$(filter %ccache,$(CC)) aarch64-linux-gnu-gcc)
bare-aarch64:
	+@! scripts/setup --check aarch64 2>/dev/null || \
	    $(parallel) CC='$(strip $(aarch64))' CFLAGS='-O3 -g' BUILD=$(BUILD)/aarch64 bare

## SAN=address,undefined: after any of these, the same under sanitizers, in a build folder of its own
## fuzz: feed every reader of files with made-up ones for FUZZ_SECONDS=20 each
FUZZ_SECONDS ?= 20
.PHONY: fuzz fuzz-built
fuzz:
	@CC=clang scripts/setup clang
	+@$(parallel) CC=clang SAN=fuzzer-no-link,address,undefined BUILD=build/fuzz fuzz-built
fuzz-built: $(fuzzers)
	@scripts/fuzz $(FUZZ_SECONDS) $(BUILD) $(fuzzers)

## models: docs/models.md anew, from the table of architectures
.PHONY: models
models: $(BUILD)/scripts/list-models
	@$< > docs/models.md.new && mv docs/models.md.new docs/models.md

## docs: the reference of infer.h as pages in build/docs/html, by Doxygen
.PHONY: docs
docs:
	@scripts/setup docs
	@mkdir -p $(BUILD)/docs
	@(cat docs/Doxyfile && echo 'OUTPUT_DIRECTORY = $(BUILD)/docs') | doxygen -
	@echo $(BUILD)/docs/html/index.html

## abi: record in tests/abi what infer.h and the library have more than before
.PHONY: abi
abi: $(shared)
	@CC='$(CC)' tests/abi/layout include/infer.h $(shared) > $(BUILD)/abi.txt
	@tests/abi/compare tests/abi/recorded.txt $(BUILD)/abi.txt && cp $(BUILD)/abi.txt tests/abi/recorded.txt

## check-symbols: the library exports infer_ only, keeps no state, cannot end or write into its host
## check-header: infer.h and its parts compile alone, as C11 and as C++11
## check-valgrind: infer-run leaks nothing and reads nothing it has not written
.PHONY: check-symbols check-header check-valgrind
check-symbols: $(library) $(service) $(shared)
	@scripts/check-symbols $(library) $(shared) $(service)
check-header:
	@CC='$(CC)' scripts/check-header
check-valgrind:
	@scripts/setup valgrind
	+@$(parallel) all
	valgrind --quiet --leak-check=full --error-exitcode=99 $(BUILD)/infer-run -p "Once" -n 8 -t 2 --temp 0

## install: into PREFIX=/usr/local, below DESTDIR; also BINDIR, LIBDIR, MANDIR
.PHONY: install uninstall
bin := $(notdir $(tools)) infer-server
man := $(wildcard docs/man/*.[1-9])
# Where bash, zsh and fish look for what they complete a program's command line by. The programs write it themselves.
completions = $(addprefix $(PREFIX)/share/,bash-completion/completions/$1 zsh/site-functions/_$1 fish/vendor_completions.d/$1.fish)
install: all
	install -d $(addprefix $(DESTDIR),$(PREFIX)/include/infer $(LIBDIR)/pkgconfig $(BINDIR) $(MANDIR)/man1 $(MANDIR)/man3)
	install -m 644 include/infer.h include/infer_service.h $(DESTDIR)$(PREFIX)/include
	install -m 644 include/infer/*.h $(DESTDIR)$(PREFIX)/include/infer
	install -m 644 $(library) $(service) $(DESTDIR)$(LIBDIR)
	install -m 755 $(shared) $(DESTDIR)$(LIBDIR)/libinfer.so.$(VERSION)
	ln -sf libinfer.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libinfer.so.$(MAJOR)
	ln -sf libinfer.so.$(MAJOR) $(DESTDIR)$(LIBDIR)/libinfer.so
	$(foreach p,$(pkgconfig),sed 's|^prefix=.*|prefix=$(PREFIX)|; s|^libdir=.*|libdir=$(LIBDIR)|' $p \
	    > $(DESTDIR)$(LIBDIR)/pkgconfig/$(notdir $p) &&) true
	$(if $(bin),install -m 755 $(bin:%=$(BUILD)/%) $(DESTDIR)$(BINDIR))
	install -d $(DESTDIR)$(PREFIX)/share/libinfer/compare
	install -m 755 tools/compare-bench $(DESTDIR)$(PREFIX)/share/libinfer
	install -m 644 tools/compare/*.py $(DESTDIR)$(PREFIX)/share/libinfer/compare
	ln -sf $(PREFIX)/share/libinfer/compare-bench $(DESTDIR)$(BINDIR)/compare-bench
	$(foreach m,$(man),install -m 644 $m $(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $m)) &&) true
	install -d $(dir $(addprefix $(DESTDIR),$(call completions,x)))
	@for b in $(bin); do for c in $(subst @,$$b,$(join bash: zsh: fish:,$(call completions,@))); do \
	    $(BUILD)/$$b --completion $${c%%:*} >$(DESTDIR)$${c#*:} || \
	        { rm $(DESTDIR)$${c#*:} && echo "$$b cannot be run here: $${c%%:*} will not complete it"; }; done; done

## uninstall: remove what install put there
uninstall:
	rm -f $(addprefix $(DESTDIR),$(PREFIX)/include/infer.h $(PREFIX)/include/infer_service.h $(LIBDIR)/libinfer-service.a $(bin:%=$(BINDIR)/%) $(pkgconfig:$(BUILD)/%=$(LIBDIR)/pkgconfig/%) \
	    $(addprefix $(LIBDIR)/libinfer.,a so so.$(MAJOR) so.$(VERSION)) \
	    $(foreach m,$(man),$(MANDIR)/man$(subst .,,$(suffix $m))/$(notdir $m)) \
	    $(foreach b,$(bin),$(call completions,$b)) $(BINDIR)/compare-bench)
	rm -rf $(DESTDIR)$(PREFIX)/include/infer $(DESTDIR)$(PREFIX)/share/libinfer

## setup: install the packages that building and testing need (Debian, Ubuntu; elsewhere: name them)
## clean: remove build/
## help: this list
.PHONY: setup clean help
setup:
	@CC='$(CC)' scripts/setup test
clean:
	rm -rf build
help:
	@sed -n 's/^## \([^:]*\): /make \1\t/p' Makefile | expand -t 28

# ---- How things are made ----

say      = $(if $(V),,@echo "  $1  $@" &&)
parallel = $(MAKE) --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

# Rewritten only if it changes, so that other flags make all objects anew.
flags := $(CC) $(cppflags) $(cflags) $(ldflags)
$(BUILD)/flags: force
	@CC='$(CC)' scripts/setup --check
	@mkdir -p $(@D) && echo '$(flags)' | cmp -s - $@ || echo '$(flags)' > $@
.PHONY: force

$(BUILD)/src/model/default_model.o: tools/default-model/model.gguf
$(BUILD)/service/openapi.o: service/openapi.json
$(BUILD)/%.o: %.c Makefile $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(cppflags) $(cflags) $(unasked) $(isa) -c -o $@ $<

# What they compare with is rounded as it is written.
$(BUILD)/bare/%.o: tests/kernels/%.c Makefile $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -Itests/cross $(cppflags) $(cflags) -ffp-contract=off -c -o $@ $<

$(archive): $(objects)
	$(call say,AR)rm -f $@ && $(AR) rcs $@ $^

# For others: names that are no part of the API begin with infer__, so that they are in no program's way.
$(library): $(archive)
	$(call say,AR)nm -g --defined-only $< | awk 'NF == 3 && $$3 !~ /^infer_/ { print $$3, "infer__" $$3 }' | sort -u > $@.names && \
	    objcopy --redefine-syms=$@.names $< $@

# One object, of which only what begins with infer_ is seen: its other names are as short as libinfer's own.
$(service): $(call object,service/*.c)
	$(call say,AR)$(LD) -r -o $(BUILD)/service.o $^ && objcopy --localize-hidden $(BUILD)/service.o && \
	    rm -f $@ && $(AR) rcs $@ $(BUILD)/service.o

$(shared): $(objects)
	$(call say,LD)$(CC) -shared $(ldflags) -Wl,-soname,$(@F) -o $@ $^ $(ldlibs)
	@ln -sf $(@F) $(BUILD)/libinfer.so

$(pkgconfig): $(BUILD)/%: scripts/%.in include/infer.h Makefile
	@mkdir -p $(@D)
	$(call say,PC)sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|; s|@PACKAGES@|$(packages)|' \
	    $< > $@

link = $(call say,LD)$(CC) $(ldflags) -o $@ $(filter %.o,$^) $(filter $(service),$^) $(filter $(archive) $(library),$^)
$(tools): $(BUILD)/%: $(BUILD)/tools/%.o $(common) $(archive)
	$(link) $(ldlibs)
$(BUILD)/infer-bench $(BUILD)/tests/tools/test_bench: $(bench)
$(BUILD)/infer-synth: $(call object,tools/synth/*.c)
$(BUILD)/infer-perplexity: $(call object,tools/perplexity/*.c)
$(BUILD)/infer-pull $(BUILD)/tests/tools/test_pull: ldlibs += $(network)
$(BUILD)/infer-pull $(BUILD)/tests/tools/test_pull: $(pull)
$(BUILD)/infer-run: $(call object,tools/run/*.c tools/synth/*.c) $(limits) $(pull)
$(BUILD)/infer-run: ldlibs += $(shell pkg-config --libs libedit 2>/dev/null) $(network)
$(BUILD)/infer-server $(BUILD)/tests/server/fake-server: ldlibs += $(network)
$(BUILD)/infer-server: $(server) $(common) $(pull) $(service) $(archive)
	$(link) $(http) $(ldlibs)
# The server over a service of the tests' own.
$(BUILD)/tests/server/fake-server: $(server) $(common) $(pull) $(BUILD)/tests/server/fake_service.o $(archive)
	$(link) $(http) $(ldlibs)
$(BUILD)/examples/service: $(service)
$(examples): %: %.o $(library)
	$(link) $(ldlibs)
$(BUILD)/scripts/list-models: %: %.o $(archive)
	$(link) $(ldlibs)
$(tests): %: %.o $(common) $(archive)
	$(link) -lcmocka $(ldlibs)
$(filter $(BUILD)/tests/service/%,$(tests)): $(service)
$(BUILD)/tests/service/test_kept: $(call object,service/kept.c service/text.c)
$(bare): %: %.o $(filter $(BUILD)/kernels/% $(BUILD)/src/base/%,$(objects))
	$(link) -static -lm
$(BUILD)/tests/fuzz/fuzz_modelfile: $(call object,tools/common/modelfile.c tools/common/failure.c)
$(BUILD)/tests/fuzz/fuzz_request: $(service)
$(fuzzers): %: %.o $(archive)
	$(link) -fsanitize=fuzzer $(ldlibs)

# The server's page is compiled in, with one hash of its files.
page := $(filter-out %.c %.h,$(wildcard server/page/*))
$(BUILD)/server/page/page.o: $(page)
$(BUILD)/server/page/page.o: isa = -DPAGE_ETAG='"$(shell cat $(page) | sha256sum | cut -c 1-16)"'
$(BUILD)/tests/server/test_page_files: $(BUILD)/server/page/page.o

# Google Benchmark is C++: one thin file speaks to it, and the compiler of C links its library.
$(BUILD)/benches/shim.o: benches/shim.cc Makefile $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CXX)$(CXX) -I. -std=c++17 -O2 -Wall -Wextra -Werror -MMD -MP -pthread -c -o $@ $<
$(BUILD)/bench_inference: | $(BUILD)/benches/tiny.gguf
$(BUILD)/benches/tiny.gguf: $(BUILD)/infer-synth
	@$< tiny f32 $@
$(BUILD)/bench_embeddings: | $(BUILD)/benches/minilm.gguf
$(BUILD)/benches/minilm.gguf: $(BUILD)/infer-synth
	@$< all-minilm-l6 q8_0 $@
$(call suite,tensor_ops): $(BUILD)/benches/openblas
$(BUILD)/benches/openblas: force
	@mkdir -p $(@D) && echo '$(openblas)' | cmp -s - $@ || echo '$(openblas)' > $@
define suite_rule
$(BUILD)/bench_$1: $(call suite,$1) $(call object,benches/common/*.c) $(BUILD)/benches/shim.o $(limits) $(common) \
                   $(archive)
	$$(link) -lbenchmark -lstdc++ $(and $(filter tensor_ops,$1),$(openblas),-lopenblas) $$(ldlibs)
endef
$(foreach s,$(suites),$(eval $(call suite_rule,$s)))
# These measure with clocks of their own; make bench runs them where they are asked for: SUITE=requests.
$(BUILD)/bench_requests: $(call suite,requests) $(common) $(archive)
	$(link) $(ldlibs)
$(BUILD)/bench_serving: $(call suite,serving) $(common) $(service) $(archive)
	$(link) $(ldlibs)

.SECONDARY:
.DELETE_ON_ERROR:
-include $(patsubst %.o,%.d,$(objects) $(common) $(bench) $(pull) $(server) $(call object,service/*.c tools/synth/*.c tools/perplexity/*.c tools/run/*.c) $(call suite,*) $(BUILD)/benches/shim.o) \
         $(addsuffix .d,$(tests) $(BUILD)/tests/server/fake_service $(bare) $(fuzzers) $(examples) $(BUILD)/scripts/list-models) \
         $(tools:$(BUILD)/%=$(BUILD)/tools/%.d)
