#include "owner_lookup.h"

#include <time.h>
#include <unistd.h>

#include <cmath>
#include <functional>

namespace ctwatch {
namespace {

// Flows, and sockets of earlier questions, in one question.
constexpr std::size_t kFlowsMax = 1024;
constexpr std::uint32_t kSocketsMax = 1024;

// Flows to one destination whose sockets one user opened, or one destination's that one user accepts.
std::uint64_t KindOf(const FlowEnds& flow, const FlowSocket& socket) {
  const auto hash = [](const auto& bytes) {
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  const std::uint64_t kind =
      hash(flow.original.remote) * 31 + flow.original.remote_port + (std::uint64_t{socket.uid} << 17);
  return kind | 1;
}

double NumberOf(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (std::isfinite(number) && number >= 0) return number;
  throw Napi::TypeError::New(object.Env(), std::string(name) + " is not a number of at least 0");
}

std::chrono::nanoseconds SecondsOf(const Napi::Object& object, const char* name) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(NumberOf(object, name), 10.0) * 1e9));
}

Napi::Value BytesToJs(Napi::Env env, const std::string& bytes) {
  return Napi::Buffer<char>::Copy(env, bytes.data(), bytes.size());
}

}  // namespace

OwnerAnswer OwnerLookup::Ask(const OwnerQuestion& question) {
  const std::lock_guard lock(mutex_);
  OwnerAnswer answer{.sockets = question.sockets};
  std::vector<WantedSocket> wanted;
  std::vector<std::size_t> flow_of;
  for (const FlowEnds& flow : question.flows) {
    const FlowSocket socket = sockets_.Find(flow);
    if (socket.match != SocketMatch::kNone && socket.inode != 0) {
      wanted.push_back({.inode = socket.inode, .uid = socket.uid, .kind = KindOf(flow, socket)});
      flow_of.push_back(answer.flows.size());
    }
    answer.flows.push_back({socket, std::nullopt, {}});
  }
  wanted.insert(wanted.end(), question.sockets.begin(), question.sockets.end());
  answer.found = processes_.Find(wanted, question.budget, question.command_line);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (i < flow_of.size()) {
      answer.flows[flow_of[i]].process = wanted[i].process;
    } else {
      answer.sockets[i - flow_of.size()].process = wanted[i].process;
    }
  }
  for (auto& flow : answer.flows) {
    if (!flow.process && flow.socket.cgroup_id) flow.cgroup = cgroups_.Find(*flow.socket.cgroup_id);
  }
  timespec boot{};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  answer.boot_seconds = static_cast<double>(boot.tv_sec) + static_cast<double>(boot.tv_nsec) / 1e9;
  answer.ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  return answer;
}

OwnerQuestion ToOwnerQuestion(const Napi::Value& value) {
  const Napi::Env env = value.Env();
  if (!value.IsObject()) throw Napi::TypeError::New(env, "question is not an object");
  const auto object = value.As<Napi::Object>();
  const Napi::Value flows = object.Get("flows");
  const Napi::Value sockets = object.Get("sockets");
  if (!flows.IsTypedArray() || flows.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Napi::TypeError::New(env, "flows is not a Uint8Array");
  }
  if (!sockets.IsTypedArray() || sockets.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
    throw Napi::TypeError::New(env, "sockets is not a Uint32Array");
  }
  const auto bytes =
      std::as_bytes(std::span(flows.As<Napi::Uint8Array>().Data(), flows.As<Napi::Uint8Array>().ElementLength()));
  const auto pairs = std::span(sockets.As<Napi::Uint32Array>().Data(), sockets.As<Napi::Uint32Array>().ElementLength());
  if (bytes.size() % kFlowBytes != 0 || bytes.size() > kFlowsMax * kFlowBytes || pairs.size() % 2 != 0 ||
      pairs.size() > 2 * kSocketsMax) {
    throw Napi::RangeError::New(env, "too many flows or sockets, or one is not whole");
  }
  OwnerQuestion question{.budget = {SecondsOf(object, "knownSeconds"), SecondsOf(object, "scanSeconds")},
                         .command_line = object.Get("commandLine").ToBoolean()};
  for (std::size_t at = 0; at < bytes.size(); at += kFlowBytes) {
    question.flows.push_back(ParseFlowEnds(bytes.subspan(at, kFlowBytes)));
  }
  for (std::size_t at = 0; at < pairs.size(); at += 2) {
    question.sockets.push_back({.inode = pairs[at], .uid = pairs[at + 1], .kind = 0});
  }
  return question;
}

Napi::Value ToJs(Napi::Env env, const OwnerAnswer& answer) {
  auto flows = Napi::Array::New(env, answer.flows.size());
  for (std::uint32_t i = 0; i < answer.flows.size(); ++i) {
    const auto& [socket, process, cgroup] = answer.flows[i];
    auto flow = Napi::Object::New(env);
    flow.Set("direction", static_cast<std::uint32_t>(socket.direction));
    flow.Set("match", static_cast<std::uint32_t>(socket.match));
    flow.Set("uid", socket.uid);
    flow.Set("inode", socket.inode);
    if (process) flow.Set("process", static_cast<std::uint32_t>(*process));
    if (!cgroup.empty()) flow.Set("cgroup", BytesToJs(env, cgroup));
    flows.Set(i, flow);
  }
  auto sockets = Napi::Array::New(env, answer.sockets.size());
  for (std::uint32_t i = 0; i < answer.sockets.size(); ++i) {
    const auto& process = answer.sockets[i].process;
    sockets.Set(i, process ? Napi::Number::New(env, static_cast<double>(*process)) : env.Undefined());
  }
  auto processes = Napi::Array::New(env, answer.found.processes.size());
  for (std::uint32_t i = 0; i < answer.found.processes.size(); ++i) {
    const ProcessFacts& facts = answer.found.processes[i];
    auto process = Napi::Object::New(env);
    process.Set("pid", facts.pid);
    process.Set("uid", facts.uid);
    process.Set("stat", BytesToJs(env, facts.stat));
    process.Set("cgroup", BytesToJs(env, facts.cgroup));
    process.Set("commandLine", BytesToJs(env, facts.command_line));
    if (facts.sockets) process.Set("sockets", *facts.sockets);
    processes.Set(i, process);
  }
  const auto seconds = [](std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); };
  auto object = Napi::Object::New(env);
  object.Set("flows", flows);
  object.Set("sockets", sockets);
  object.Set("processes", processes);
  object.Set("knownSeconds", seconds(answer.found.spent.known));
  object.Set("scanSeconds", seconds(answer.found.spent.scan));
  object.Set("refused", answer.found.refused);
  object.Set("bootSeconds", answer.boot_seconds);
  object.Set("ticksPerSecond", answer.ticks_per_second);
  return object;
}

}  // namespace ctwatch
