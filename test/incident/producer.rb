# Asks for jobs at a steady rate, over one connection: `ruby producer.rb`. Each line of standard input is a new rate, jobs a second.
require 'sidekiq'
require_relative 'worker'

Sidekiq.configure_client { |config| config.redis = { url: "#{REDIS_URL}/0", size: 1 } }

rate = 0.0
Thread.new do
  while (line = $stdin.gets)
    rate = Float(line)
  end
  exit
end

last = Process.clock_gettime(Process::CLOCK_MONOTONIC)
due = 0.0
loop do
  sleep 0.02
  now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  due += rate * (now - last)
  last = now
  while due >= 1
    CountJob.perform_async
    due -= 1
  end
end
