"""Measures how fast another job queue gets through jobs without effect: peer_jobs.py pgqueuer|procrastinate DSN JOBS BATCH.

The jobs are added before the clock starts. Each peer runs as its documentation advises for throughput: one process,
uvloop, batches or concurrency as below. Prints {"jobs": N, "seconds": S}.
"""

import asyncio
import json
import sys
import time
from datetime import timedelta

import uvloop


async def pgqueuer(dsn: str, count: int, batch: int) -> float:
    import asyncpg
    from pgqueuer import PgQueuer
    from pgqueuer.db import AsyncpgDriver
    from pgqueuer.queries import Queries
    from pgqueuer.types import QueueExecutionMode

    connection = await asyncpg.connect(dsn)
    driver = AsyncpgDriver(connection)
    queries = Queries(driver)
    if await connection.fetchval("SELECT to_regclass('pgqueuer') IS NULL"):
        await queries.install()
    await connection.execute("TRUNCATE pgqueuer, pgqueuer_log")
    await queries.enqueue(["nothing"] * count, [None] * count, [0] * count)
    await connection.execute("ANALYZE")
    queuer = PgQueuer(driver)
    done = 0

    @queuer.entrypoint("nothing")
    async def nothing(job) -> None:
        nonlocal done
        done += 1

    began = time.perf_counter()
    await queuer.run(dequeue_timeout=timedelta(seconds=1), batch_size=batch, mode=QueueExecutionMode.drain)
    seconds = time.perf_counter() - began
    left = await (await asyncpg.connect(dsn)).fetchval("SELECT count(*) FROM pgqueuer")
    assert done == count and left == 0, (done, left)
    return seconds


async def procrastinate(dsn: str, count: int, batch: int) -> float:
    from procrastinate import App, PsycopgConnector

    app = App(connector=PsycopgConnector(conninfo=dsn, min_size=4, max_size=20))
    done = 0

    @app.task(queue="nothing")
    async def nothing() -> None:
        nonlocal done
        done += 1

    async with app.open_async():
        exists = await app.connector.execute_query_one_async("SELECT to_regclass('procrastinate_jobs') IS NOT NULL AS yes")
        if not exists["yes"]:
            await app.schema_manager.apply_schema_async()
        await app.connector.execute_query_async("TRUNCATE procrastinate_jobs CASCADE")
        await nothing.batch_defer_async(*[{} for _ in range(count)])
        await app.connector.execute_query_async("ANALYZE")
        began = time.perf_counter()
        await app.run_worker_async(wait=False, concurrency=16, install_signal_handlers=False, delete_jobs="always")
        seconds = time.perf_counter() - began
        assert done == count, done
        return seconds


peer, dsn, jobs, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    taken = runner.run({"pgqueuer": pgqueuer, "procrastinate": procrastinate}[peer](dsn, jobs, size))
print(json.dumps({"jobs": jobs, "seconds": round(taken, 3)}))
