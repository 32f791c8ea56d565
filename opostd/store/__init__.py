"""The only SQL of the project.

``run`` is the way in: ``await store.run(fn, *args)``, where fn is a plain function of a module named after its noun.
"""
