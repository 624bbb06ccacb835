# The worker of the incident, for Sidekiq: `ruby -S sidekiq -r worker.rb -c THREADS`. With POOL=1 its jobs share a pool of
# connections, as they should; otherwise each job opens one of its own and closes it.
require 'sidekiq'
require 'redis'

REDIS_URL = 'redis://127.0.0.1:6379'.freeze
Sidekiq.configure_server { |config| config.redis = { url: "#{REDIS_URL}/0" } }

def connect
  Redis.new(url: "#{REDIS_URL}/1")
end

POOL = ENV['POOL'] == '1' ? ConnectionPool.new(size: 5) { connect } : nil

# One job: count something in Redis.
class CountJob
  include Sidekiq::Worker
  sidekiq_options retry: false

  def perform
    return POOL.with { |redis| redis.incr('jobs') } if POOL

    redis = connect
    redis.incr('jobs')
  ensure
    redis&.close
  end
end
