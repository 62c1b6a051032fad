"""What every object has."""

TEXT = """
*: Any kind.
    metadata: What every object has: its name, its labels, who owns it.
    spec: What is wanted.
    status: What there is, as whoever looks after the object saw it last.
ObjectMeta: What every object has.
    name: The name, unique in its namespace among the objects of one kind; it never changes.
    generateName: The beginning of a name that the server makes unique, if `name` is left out.
    namespace: The namespace that the object is in; it never changes.
    selfLink: No longer used.
    uid: What tells this object from all others, also from later ones of the same name.
    resourceVersion: Changes with every write; sent along with an update, it makes sure that
        nobody else has written meanwhile.
    generation: Counts the changes of what is wanted.
    creationTimestamp: When the object was made.
    deletionTimestamp: When the object is to be gone, once somebody has deleted it.
    deletionGracePeriodSeconds: How many seconds the object has from its deletion to its end.
    labels: Keys and values by which selectors find the object.
    annotations: Keys and values for people and programs, which nothing is selected by.
    ownerReferences: The objects that this one belongs to; it goes when the last of them is gone.
    finalizers: Who must have let go of the object before a deletion takes effect.
    managedFields: Which client wants which field, as server-side apply counts it.
OwnerReference: An object that another one belongs to.
    apiVersion: The owner's API group and version.
    kind: The owner's kind.
    name: The owner's name; it is in the same namespace.
    uid: The owner's uid.
    controller: Whether the owner manages the object; at most one does.
    blockOwnerDeletion: Whether a foreground deletion of the owner waits for this object.
ManagedFieldsEntry: The fields that one client wants.
    manager: The client's name.
    operation: Whether it applied them or wrote them by other means.
    apiVersion: In which version of the kind the fields are meant.
    time: When the entry last changed.
    fieldsType: The form of `fieldsV1`.
    fieldsV1: The fields, as a tree of their names.
    subresource: The part of the object by which they were written.
LabelSelector: Which objects are meant, by their labels; an empty one means all.
    matchLabels: Labels that an object must have, with these values.
    matchExpressions: Further conditions, all of which an object's labels must fulfil.
LabelSelectorRequirement: One condition on an object's labels.
    key: The label's key.
    operator: In, NotIn, Exists or DoesNotExist.
    values: The values that In and NotIn compare with.
ListMeta: What every list has.
    resourceVersion: The moment that the list shows; a watch may begin there.
    continue: What to send to get the next page.
    remainingItemCount: How many objects are not in this page.
Condition: One aspect of an object's state.
    type: Which aspect.
    status: True, False or Unknown.
    reason: Why, in one word for programs.
    message: Why, in a sentence for people.
    lastTransitionTime: When the status last changed.
    observedGeneration: The generation that the condition was found of.
DeleteOptions: How an object is to be deleted.
    gracePeriodSeconds: How many seconds it has until its end; 0 ends it at once.
    preconditions: What must be true of the object for the deletion to happen.
    propagationPolicy: What happens to the objects that it owns: Background deletes them
        afterwards, Foreground before, Orphan leaves them.
    dryRun: All, to see what would happen without its happening.
Status: The outcome of a request that returns no object.
    message: What happened, for people.
    reason: What happened, in one word for programs.
    details: What it happened to.
    code: The HTTP status.
ObjectReference: An object somewhere.
    kind: Its kind.
    namespace: Its namespace.
    name: Its name.
    uid: Its uid.
    apiVersion: Its API group and version.
    resourceVersion: The version that is meant.
    fieldPath: The part of the object that is meant.
LocalObjectReference: An object of the same namespace.
    name: Its name.
"""
