// The calling side of every program here: reads loads from standard input, a line each, "MILLISECONDS BYTES IN_FLIGHT", makes calls for that long
// with that many bytes each way, and answers with a line: calls per second, and with one in flight the nanoseconds of each call behind it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <thread>
#include <vector>

class Load {
 public:
  Load(long milliseconds, std::size_t bytes, int inFlight)
      : bytes(bytes), inFlight(inFlight), start_(Clock::now()), end_(start_ + std::chrono::milliseconds(milliseconds)) {}

  const std::size_t bytes;
  const int inFlight;

  void began() {
    if (inFlight == 1) began_ = Clock::now();
  }

  // Says whether another call is to begin.
  bool ended(std::size_t answered) {
    if (answered != bytes) {
      std::fprintf(stderr, "%zu bytes were sent, and %zu came back\n", bytes, answered);
      std::exit(1);
    }
    last_ = Clock::now();
    ++count_;
    if (inFlight == 1) times_.push_back((last_ - began_).count());
    return last_ < end_;
  }

  void answer() const {
    const double seconds = std::chrono::duration<double>(last_ - start_).count();
    std::printf("%.1f", static_cast<double>(count_) / seconds);
    for (const auto time : times_) std::printf(" %lld", static_cast<long long>(time));
    std::printf("\n");
    std::fflush(stdout);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static_assert(Clock::period::den == 1000000000, "nanoseconds");

  const Clock::time_point start_;
  const Clock::time_point end_;
  Clock::time_point began_;
  Clock::time_point last_;
  long count_ = 0;
  std::vector<Clock::rep> times_;
};

// Runs each load that is asked for, until standard input ends.
template <typename Run>
int runLoads(Run run) {
  long milliseconds;
  std::size_t bytes;
  int inFlight;
  while (std::cin >> milliseconds >> bytes >> inFlight) {
    Load load(milliseconds, bytes, inFlight);
    run(load);
    load.answer();
  }
  return 0;
}

// Tells whoever started this that it can be connected to, and ends with the standard input that it was given.
inline void ready() {
  std::printf("ready\n");
  std::fflush(stdout);
  std::thread([] {
    while (std::cin.get() != EOF) {
    }
    std::_Exit(0);
  }).detach();
}
