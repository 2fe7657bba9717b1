// shim.cc - Google Benchmark for C: the only C++ there is. Rates are computed here.
#include "benches/shim.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

struct bench {
    benchmark::State &state;
    clockid_t clock = CLOCK_MONOTONIC;
    bool running = false;
    double start = 0, seconds = 0;
    double turns = 0;

    double now() const
    {
        struct timespec t;
        clock_gettime(clock, &t);
        return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
    }
    void go() { running = true, start = now(); }
    void stop() { running = false, seconds += now() - start; }
};

void bench_one_thread(struct bench *b)
{
    b->clock = CLOCK_THREAD_CPUTIME_ID;
}

bool bench_next(struct bench *b)
{
    if (!b->running)
        b->go();
    if (b->state.KeepRunning())
        return true;
    b->stop();
    b->turns = static_cast<double>(b->state.iterations());
    return false;
}

void bench_pause(struct bench *b)
{
    b->stop();
    b->state.PauseTiming();
}

void bench_resume(struct bench *b)
{
    b->state.ResumeTiming();
    b->go();
}

void bench_skip(struct bench *b, const char *why)
{
    b->state.SkipWithError(why);
}

static void set_rate(struct bench *b, const char *name, double amount, const char *share, double limit)
{
    const double rate = b->seconds > 0 ? amount * b->turns / b->seconds : 0;
    b->state.counters[name] = rate;
    if (limit > 0)
        b->state.counters[share] = 100 * rate / limit;
}

void bench_bytes(struct bench *b, double bytes, double limit)
{
    set_rate(b, "GB/s", bytes * 1e-9, "%read", limit * 1e-9);
}

void bench_flops(struct bench *b, double flops, double limit)
{
    set_rate(b, "GFLOP/s", flops * 1e-9, "%peak", limit * 1e-9);
}

void bench_items(struct bench *b, double items)
{
    set_rate(b, "items/s", items, "", 0);
}

void bench_add(const char *name, bench_fn *fn, const void *arg, size_t arg_bytes)
{
    const char *const bytes = static_cast<const char *>(arg);
    auto copy = std::make_shared<std::vector<char>>(bytes, bytes + arg_bytes);
    benchmark::RegisterBenchmark(name, [fn, copy](benchmark::State &state) {
        struct bench b{state};
        fn(&b, copy->data());
    });
}

// Rows of cases that differ in the last part of their names only, one column for each of these parts.
class Table : public benchmark::BenchmarkReporter {
  public:
    explicit Table(std::vector<std::string> names) : columns(std::move(names)), cells(columns.size()) {}

    bool ReportContext(const Context &) override
    {
        std::printf("%-36s", "");
        for (const auto &name : columns)
            std::printf(" %22s", name.c_str());
        std::printf("\n");
        return true;
    }

    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (const auto &run : runs) {
            if (run.run_type == Run::RT_Aggregate && run.aggregate_name != "median")
                continue; // with repetitions the median comes last
            const std::string &name = run.run_name.function_name;
            const size_t slash = name.rfind('/');
            size_t column = 0;
            while (column < columns.size() && (slash == std::string::npos || name.substr(slash + 1) != columns[column]))
                column++;
            const std::string left = column < columns.size() ? name.substr(0, slash) : name;
            if (left != row)
                end_row();
            row = left;
            cells[column < columns.size() ? column : 0] = cell(run);
        }
    }

    void Finalize() override { end_row(); }

  private:
    std::vector<std::string> columns, cells;
    std::string row;

    static std::string text_of(const char *format, double a, double b = 0)
    {
        char text[64];
        std::snprintf(text, sizeof text, format, a, b);
        return text;
    }

    // The first that there is of: share of the read bandwidth, share of the peak, bytes, items, time.
    static std::string cell(const Run &run)
    {
        const auto &counters = run.counters;
        const auto value = [&](const char *name) { return static_cast<double>(counters.at(name)); };
        if (run.iterations == 0)
            return "-"; // skipped
        if (counters.count("%read"))
            return text_of("%.1f GB/s %3.0f %%", value("GB/s"), value("%read"));
        if (counters.count("%peak"))
            return text_of("%.1f GFLOP/s %3.0f %%", value("GFLOP/s"), value("%peak"));
        if (counters.count("GB/s"))
            return text_of("%.1f GB/s", value("GB/s"));
        if (counters.count("items/s"))
            return value("items/s") < 1e6 ? text_of("%.1f k/s", value("items/s") * 1e-3)
                                          : text_of("%.1f M/s", value("items/s") * 1e-6);
        return text_of("%.0f ", run.GetAdjustedRealTime()) + benchmark::GetTimeUnitString(run.time_unit);
    }

    void end_row()
    {
        if (!row.empty()) {
            std::printf("%-36s", row.c_str());
            for (const auto &text : cells)
                std::printf(" %22s", text.c_str());
            std::printf("\n");
            std::fflush(stdout);
        }
        for (auto &text : cells)
            text.clear();
        row.clear();
    }
};

int bench_main(int argc, char **argv, const char *const *columns, size_t n_columns)
{
    // Short runs unless the command line, which comes later, says otherwise.
    char min_time[] = "--benchmark_min_time=0.02";
    std::vector<char *> arguments{argv[0], min_time};
    bool table = false;
    for (int i = 1; i < argc; i++) {
        if (!std::strcmp(argv[i], "--table"))
            table = true;
        else
            arguments.push_back(argv[i]);
    }
    int n = static_cast<int>(arguments.size());
    arguments.push_back(nullptr);
    benchmark::Initialize(&n, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(n, arguments.data()))
        return 2;
    Table side_by_side(std::vector<std::string>(columns, columns + n_columns));
    const size_t found = table ? benchmark::RunSpecifiedBenchmarks(&side_by_side) : benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return found ? 0 : 1;
}
