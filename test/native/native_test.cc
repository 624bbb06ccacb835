// Runs the tests of the native parts that need no Node.js and no privilege. Built with sanitizers by
// scripts/native-test.mjs.

#include <iostream>

#include "report.h"

int main() {
  int passed = 0;
  int failed = 0;
  const auto run = [&](const char* suite, void (*test)(ctwatch::Report&)) {
    ctwatch::Report report;
    test(report);
    std::cout << suite << ": " << report.passed() << " passed, " << report.failed() << " failed\n";
    passed += report.passed();
    failed += report.failed();
  };
  run("netlink_message", ctwatch::TestNetlinkMessage);
  run("ct_parser", ctwatch::TestParser);
  run("column_writer", ctwatch::TestColumnWriter);
  run("ct_answers", ctwatch::TestAnswers);
  run("ct_lookup", ctwatch::TestLookup);
  run("socket_diag", ctwatch::TestSocketDiag);
  run("service_notify", ctwatch::TestServiceNotify);
  run("drain_memory", ctwatch::TestDrainMemory);
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 ? 0 : 1;
}
