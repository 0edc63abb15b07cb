"""A model server for exported models: TensorFlow Serving's REST API, dynamic batching, versions that come and go, and a page.

    settings ─┬→ models ─→ versions ─┐
              └→ batching ───────────┼→ service ─→ tensorflow_serving, model_api, health, page ─→ app ─→ server
                 tensors, examples ──┘

It reads what `tfq_llm.export` wrote, through `tfq_llm.exported`, and needs nothing that trains.
"""
