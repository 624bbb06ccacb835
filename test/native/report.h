// Counts and prints what the tests found. Every case has a name and is reported when it fails.

#ifndef CTWATCH_TEST_REPORT_H_
#define CTWATCH_TEST_REPORT_H_

#include <iostream>
#include <string_view>

namespace ctwatch {

class Report {
 public:
  template <typename Actual, typename Expected>
  void Equal(std::string_view name, const Actual& actual, const Expected& expected) {
    if (actual == expected) {
      ++passed_;
      return;
    }
    ++failed_;
    std::cout << "FAILED " << name << "\n  expected " << expected << "\n  actual   " << actual << '\n';
  }
  void True(std::string_view name, bool condition) { Equal(name, condition, true); }

  int passed() const { return passed_; }
  int failed() const { return failed_; }

 private:
  int passed_ = 0;
  int failed_ = 0;
};

void TestNetlinkMessage(Report& report);
void TestParser(Report& report);
void TestColumnWriter(Report& report);
void TestAnswers(Report& report);
void TestLookup(Report& report);
void TestSocketDiag(Report& report);
void TestServiceNotify(Report& report);
void TestDrainMemory(Report& report);

}  // namespace ctwatch

#endif  // CTWATCH_TEST_REPORT_H_
